//! The threads of a pool, which sleep, wake, block, retire and end (Contract: W1, P1, P4).
