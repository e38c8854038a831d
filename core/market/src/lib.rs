//! Typed price, allocation and settlement in integers
