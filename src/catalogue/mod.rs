//! What models cost, how much they take and what they can do: a table, how names are found in it, and what a request cost.
//!
//! It is a table of constants and not a file, because the filter can read no files, and a price of the time of the build is better than
//! none. Its source is data/models.csv; docs/models.md says how it is made, dated and overridden. Money is whole numbers ([`Usd`]), so
//! that sums do not depend on their order and budgets do not drift.
//!
//! **Invariant:** unknown is neither no nor free: what the table does not say is `None`.

mod capability;
mod facts;
mod find;
mod money;
mod price;
mod row;
mod table;

pub use capability::{Capabilities, Capability};
pub use facts::{ModelFacts, facts, row_of};
pub use find::lookup;
pub use money::Usd;
pub use price::{Listed, LongPrompts, Price, Rates, cost};
pub use row::{Limits, Row};
pub use table::MADE_FROM;

/// Every row, in the order of its source.
#[must_use]
pub fn rows() -> &'static [Row] {
    table::ROWS
}
