//! State with changes that are not committed yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{State, StateKey, StateValue};

/// A state and the changes a block makes to it.
pub(crate) struct View<'a> {
    base: &'a State,
    changes: BTreeMap<StateKey, Arc<StateValue>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(base: &'a State) -> Self {
        Self {
            base,
            changes: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, key: &StateKey) -> Option<&Arc<StateValue>> {
        self.changes.get(key).or_else(|| self.base.get(key))
    }

    pub(crate) fn put(&mut self, key: StateKey, value: StateValue) {
        self.changes.insert(key, Arc::new(value));
    }

    /// What was before the block and what is now, for everything touched.
    pub(crate) fn changes(
        &self,
    ) -> impl Iterator<Item = (Option<&Arc<StateValue>>, &Arc<StateValue>)> {
        self.changes
            .iter()
            .map(|(key, now)| (self.base.get(key), now))
    }

    pub(crate) fn commit(self) -> State {
        self.base.put(self.changes.into_iter())
    }
}
