//! The other side: the dialects that clients speak. Today that is OpenAI's.

pub mod openai;
