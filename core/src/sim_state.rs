//! Which data make up the state of a run: snapshot, restore and hash.
//!
//! The set of equipment entities is fixed for a run, so a snapshot is a copy
//! of columns in roster order and a restore writes them back in place; no
//! entity is ever created or mapped. Every simulation component and resource
//! is registered with one call, which adds all three abilities together.

use std::any::Any;
use std::sync::Arc;

use bevy::ecs::component::Mutable;
use bevy::prelude::*;
use borsh::BorshSerialize;

/// Entities of the run; the position is the rank of the device id.
#[derive(Resource, Clone, Debug, Default)]
pub struct Roster(pub Vec<Entity>);

/// State that takes part in snapshots and in the state hash.
pub trait SimState: Send + Sync + 'static {
    /// What a snapshot keeps; cheap to clone where the state is large.
    type Saved: Clone + Send + Sync + 'static;

    /// A copy for a snapshot.
    fn save(&self) -> Self::Saved;

    /// Back to a saved copy.
    fn load(&mut self, saved: &Self::Saved);

    /// Feeds everything that distinguishes two states to the hasher.
    fn digest(&self, hasher: &mut StateHasher);
}

/// Collects the bytes of a state hash (BLAKE3).
#[derive(Default)]
pub struct StateHasher {
    hasher: blake3::Hasher,
    scratch: Vec<u8>,
}

impl StateHasher {
    /// Adds a value in its canonical bytes.
    pub fn add(&mut self, value: &impl BorshSerialize) {
        self.scratch.clear();
        // Writing to a vector fails only for a NaN, which borsh refuses; a
        // marker keeps the hash defined so that the run can report the bug.
        if value.serialize(&mut self.scratch).is_err() {
            self.scratch.extend_from_slice(b"not a number");
        }
        self.hasher.update(&self.scratch);
    }

    /// Adds raw bytes.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The hash of everything added.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}

/// Implements [`SimState`] by cloning and by borsh bytes.
macro_rules! plain_sim_state {
    ($($kind:ty),+ $(,)?) => {$(
        impl $crate::sim_state::SimState for $kind {
            type Saved = Self;
            fn save(&self) -> Self {
                self.clone()
            }
            fn load(&mut self, saved: &Self) {
                self.clone_from(saved);
            }
            fn digest(&self, hasher: &mut $crate::sim_state::StateHasher) {
                hasher.add(self);
            }
        }
    )+};
}
pub(crate) use plain_sim_state;

type SavedColumn = Arc<dyn Any + Send + Sync>;

struct Column {
    name: &'static str,
    save: fn(&World) -> SavedColumn,
    load: fn(&mut World, &SavedColumn),
    digest: fn(&World, &mut StateHasher),
}

/// Every registered column, in registration order.
#[derive(Resource, Default)]
pub struct SimColumns(Vec<Column>);

/// A copy of the whole simulated state.
#[derive(Clone)]
pub struct Snapshot(Vec<SavedColumn>);

impl SimColumns {
    /// Names of the registered types.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|column| column.name).collect()
    }
}

/// Registers simulation state with the app.
pub trait RegisterSimState {
    /// Registers a component of rostered entities.
    fn register_sim_component<T: SimState + Component<Mutability = Mutable>>(
        &mut self,
    ) -> &mut Self;
    /// Registers a resource.
    fn register_sim_resource<T: SimState + Resource<Mutability = Mutable>>(&mut self) -> &mut Self;
}

impl RegisterSimState for App {
    fn register_sim_component<T: SimState + Component<Mutability = Mutable>>(
        &mut self,
    ) -> &mut Self {
        let column = Column {
            name: std::any::type_name::<T>(),
            save: |world| {
                let roster = world.resource::<Roster>();
                let column: Vec<Option<T::Saved>> = roster
                    .0
                    .iter()
                    .map(|&entity| world.get::<T>(entity).map(T::save))
                    .collect();
                Arc::new(column)
            },
            load: |world, saved| {
                let Some(column) = saved.downcast_ref::<Vec<Option<T::Saved>>>() else {
                    return;
                };
                let roster = world.resource::<Roster>().0.clone();
                for (entity, value) in roster.into_iter().zip(column) {
                    if let (Some(mut target), Some(value)) = (world.get_mut::<T>(entity), value) {
                        target.load(value);
                    }
                }
            },
            digest: |world, hasher| {
                for (rank, &entity) in world.resource::<Roster>().0.iter().enumerate() {
                    if let Some(value) = world.get::<T>(entity) {
                        hasher.add(&(rank as u32));
                        value.digest(hasher);
                    }
                }
            },
        };
        self.world_mut()
            .get_resource_or_init::<SimColumns>()
            .0
            .push(column);
        self
    }

    fn register_sim_resource<T: SimState + Resource<Mutability = Mutable>>(&mut self) -> &mut Self {
        let column = Column {
            name: std::any::type_name::<T>(),
            save: |world| Arc::new(world.get_resource::<T>().map(T::save)),
            load: |world, saved| {
                let Some(Some(value)) = saved.downcast_ref::<Option<T::Saved>>() else {
                    return;
                };
                if let Some(mut target) = world.get_resource_mut::<T>() {
                    target.load(value);
                }
            },
            digest: |world, hasher| {
                if let Some(value) = world.get_resource::<T>() {
                    value.digest(hasher);
                }
            },
        };
        self.world_mut()
            .get_resource_or_init::<SimColumns>()
            .0
            .push(column);
        self
    }
}

/// Copies the simulated state.
#[must_use]
pub fn save(world: &World) -> Snapshot {
    let columns = world.resource::<SimColumns>();
    Snapshot(
        columns
            .0
            .iter()
            .map(|column| (column.save)(world))
            .collect(),
    )
}

/// Writes a snapshot back in place.
pub fn restore(world: &mut World, snapshot: &Snapshot) {
    let loads: Vec<_> = world
        .resource::<SimColumns>()
        .0
        .iter()
        .map(|c| c.load)
        .collect();
    for (load, saved) in loads.into_iter().zip(&snapshot.0) {
        load(world, saved);
    }
}

/// Hash of the simulated state.
#[must_use]
pub fn digest(world: &World) -> [u8; 32] {
    let mut hasher = StateHasher::default();
    for column in &world.resource::<SimColumns>().0 {
        (column.digest)(world, &mut hasher);
    }
    hasher.finish()
}
