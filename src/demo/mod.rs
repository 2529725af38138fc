//! The provider simulator: a server that speaks OpenAI's and Anthropic's dialects, and goes wrong on demand.
//!
//! It is what the demo runs against, what the end-to-end tests break on purpose, and the upstream of the benchmark. It
//! shares no code with the codecs: a mistake made twice would be seen by nobody.
//!
//! | file | what it is for |
//! |---|---|
//! | [`fault`] | the text that says what goes wrong |
//! | [`asked`] | what a request asks for |
//! | [`answer`] | what is said, without a dialect |
//! | [`openai`], [`anthropic`] | the forms it is said in |
//! | [`script`] | how it is played, faults and all |
//! | [`record`] | what is remembered of the requests |
//! | [`desk`] | one listener's faults |
//! | [`reply`] | what a request gets, decided in full |
//! | [`server`] | sockets |
//!
//! **Invariant:** listeners of one process share the clock of their journals and nothing else.

pub mod answer;
pub mod anthropic;
pub mod asked;
pub mod desk;
pub mod fault;
pub mod openai;
pub mod record;
pub mod reply;
pub mod script;
pub mod server;
