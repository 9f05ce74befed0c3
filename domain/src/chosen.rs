//! The settings of a thing, of whichever kind it is.

use std::any::Any;
use std::fmt::{self, Debug};
use std::ops::Deref;
use std::sync::Arc;

/// What every kind's settings are: shared between threads, printed, held beside others. Comes with `PartialEq` and
/// `Debug`; never written by hand.
pub trait Settings: Any + Debug + Send + Sync {
    /// Whether the other is of the same kind and says the same.
    fn same_as(&self, other: &dyn Any) -> bool;
}

impl<T: Any + Debug + Send + Sync + PartialEq> Settings for T {
    fn same_as(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>() == Some(self)
    }
}

/// The settings of a thing, of whichever kind it is; compared by what they say.
pub struct Chosen<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> Clone for Chosen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Chosen<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + PartialEq> PartialEq for Chosen<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0 == *other.0
    }
}

impl<T: ?Sized + Debug> Debug for Chosen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
