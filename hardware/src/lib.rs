//! Bindings to physical devices: bus actors, profiles, quality and age
