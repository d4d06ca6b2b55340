//! The engine on NATS with JetStream.

// Map for maintainers, from the ground up:
//   api.rs       requests to the server, and what its failures mean here
//   layout.rs    streams and consumers: how they must be, and how they are
//   consumer.rs  pulls jobs
//   connect.rs   from options to a connection
//   engine.rs    the interface of both engines

mod api;
mod connect;
mod consumer;
mod engine;
mod layout;

pub(crate) use connect::connect;
