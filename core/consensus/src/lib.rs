//! Malachite embedded sans-IO: context, host and simulated network
