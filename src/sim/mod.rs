//! The provider simulator: a server that speaks its providers' dialects, and goes wrong on demand.
//!
//! The demo and the tutorial run against it, the end-to-end tests break it on purpose, and the benchmark has it as upstream. It
//! shares no code with the dialects, because no test would find a mistake that both sides make.
//!
//! | file | what it is for |
//! |---|---|
//! | [`fault`] | the text that says what goes wrong |
//! | [`request`] | what a request asks for |
//! | [`answer`] | the answer, without a dialect |
//! | [`surface`] | the endpoints, one row each |
//! | [`openai`], [`responses`], [`anthropic`], [`gemini`], [`bedrock`], [`cohere`], [`ollama`] | its dialects |
//! | [`azure`], [`mistral`] | what they do otherwise than OpenAI |
//! | [`script`] | how it is sent, with its faults |
//! | [`record`] | the requests that a listener remembers |
//! | [`listener`] | one listener's name and faults |
//! | [`reply`] | what a request gets, decided in full |
//! | [`server`] | sockets |
//!
//! **Invariant:** the listeners of a process share only the clock of their journals.

pub mod answer;
pub mod anthropic;
pub mod azure;
pub mod bedrock;
pub mod cohere;
pub mod fault;
pub mod gemini;
pub mod listener;
pub mod mistral;
pub mod ollama;
pub mod openai;
pub mod record;
pub mod reply;
pub mod request;
pub mod responses;
pub mod script;
pub mod server;
pub mod surface;
