//! A bound on the retries of many callers together.

// Lock order: `stock` alone, for a sum.

use std::fmt;

use crate::sync::{Arc, Mutex};

/// A retry takes so much from a budget; a first call adds `percent`.
const RETRY: u64 = 100;

/// How many retries many callers may make together, so that they do not bring down for good what
/// has failed for a moment.
///
/// A budget holds a reserve of retries. Each retry takes one of them, and each call of
/// [`retry`](crate::retry()) adds a part of one, until the reserve is full again. Where it is
/// empty, a failure is the outcome at once. Cloning gives another handle of the same budget.
///
/// # Examples
///
/// ```
/// use fast_async::{retry, retry::RetryBudget, Retry};
///
/// // At most one retry for ten calls, and two more.
/// let budget = RetryBudget::new(10, 2);
/// let mut calls = 0;
/// for _ in 0..10 {
///     let task = retry(Retry::attempts(3).budget(&budget), |_| {
///         Err::<(), _>("the server is down".into())
///     });
///     calls += task.wait().unwrap_err().attempts().unwrap();
/// }
/// assert!(calls <= 10 + 3);
/// ```
#[derive(Clone)]
pub struct RetryBudget(Arc<Shared>);

struct Shared {
    percent: u64,
    /// At most so much is in stock.
    most: u64,
    /// In hundredths of a retry.
    stock: Mutex<u64>,
}

impl RetryBudget {
    /// Makes a budget for `percent` retries in a hundred calls, and for `reserve` retries more.
    ///
    /// A budget without a reserve holds one retry at most, when the calls have added up to it.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::retry::RetryBudget;
    ///
    /// assert_eq!(RetryBudget::new(20, 10).available(), 10);
    /// ```
    pub fn new(percent: u32, reserve: u32) -> RetryBudget {
        let stock = u64::from(reserve) * RETRY;
        RetryBudget(Arc::new(Shared {
            percent: u64::from(percent),
            most: stock.max(RETRY),
            stock: Mutex::new(stock),
        }))
    }

    /// Returns how many retries are left.
    ///
    /// # Examples
    ///
    /// ```
    /// use fast_async::{retry, retry::RetryBudget, Retry};
    ///
    /// let budget = RetryBudget::new(0, 5);
    /// let policy = Retry::attempts(3).budget(&budget);
    /// let task = retry(policy, |_| Err::<(), _>("the server is down".into()));
    /// assert!(task.wait().is_err());
    /// assert_eq!(budget.available(), 3);
    /// ```
    pub fn available(&self) -> u32 {
        u32::try_from(*self.0.stock.lock() / RETRY).unwrap_or(u32::MAX)
    }

    /// A first call begins.
    pub(super) fn deposit(&self) {
        let mut stock = self.0.stock.lock();
        *stock = stock.saturating_add(self.0.percent).min(self.0.most);
    }

    /// Takes one retry; false if there is none.
    pub(super) fn withdraw(&self) -> bool {
        let mut stock = self.0.stock.lock();
        let left = stock.checked_sub(RETRY);
        *stock = left.unwrap_or(*stock);
        left.is_some()
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("percent", &self.0.percent)
            .field("available", &self.available())
            .finish()
    }
}
