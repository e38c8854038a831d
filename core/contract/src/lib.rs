//! The electricity-management contract: terms, rules, receipts
