//! A client's request of whichever API, read once and written for a provider of another dialect.
//!
//! Chat has many dialects of clients. Completions and embeddings have OpenAI's alone, so a client of any dialect that asks for them asks in
//! that. A completion is a chat of one message wherever a provider has no API for it.

use std::borrow::Cow;

use super::openai_chat::client::{completions, embeddings};
use super::{Awaited, ClientFace, Encoded, ProviderFace, Target, Vectors};
use crate::chat::{ApiError, Conversation, EmbeddingsRequest, Inputs};

/// One request.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one a request")]
pub enum Request<'a> {
    /// A chat, or a completion.
    Conversation(Conversation<'a>),
    /// Embeddings.
    Embeddings(EmbeddingsRequest<'a>),
}

impl<'a> Request<'a> {
    /// Reads a whole request.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 that names the place of what is wrong.
    pub fn read(client: &dyn ClientFace, awaited: Awaited, body: &'a [u8]) -> Result<Self, ApiError> {
        match awaited {
            Awaited::Chat => client.read(body).map(Self::Conversation),
            Awaited::Completion => completions::read(body).map(Self::Conversation),
            Awaited::Embeddings => embeddings::read(body).map(Self::Embeddings),
        }
    }

    /// Writes it in the dialect of the one that is asked.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 that names what the dialect cannot say.
    pub fn write(&self, face: &dyn ProviderFace, target: Target<'_>) -> Result<Encoded, ApiError> {
        match self {
            Self::Conversation(conversation) => face.write(conversation, target),
            Self::Embeddings(request) => {
                let mut encoded = face.write_embeddings(request, target)?;
                encoded.echo.vectors = Some(Vectors { count: request.inputs.count(), base64: request.base64 });
                Ok(encoded)
            }
        }
    }

    /// Whether it can be written.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn check(&self, face: &dyn ProviderFace, target: Target<'_>) -> Result<(), ApiError> {
        match self {
            Self::Conversation(conversation) => face.check(conversation, target),
            Self::Embeddings(_) => self.write(face, target).map(drop),
        }
    }
}

/// The texts that are to be embedded, for a provider that knows no tokens of others.
///
/// # Errors
/// An [`ApiError`] of status 400 where they are tokens.
pub fn texts<'r, 'a>(request: &'r EmbeddingsRequest<'a>) -> Result<&'r [Cow<'a, str>], ApiError> {
    match &request.inputs {
        Inputs::Texts(texts) => Ok(texts),
        Inputs::Tokens(_) => {
            Err(refusal("input", "This model's provider takes no tokens: write the texts themselves.".to_owned()))
        }
    }
}

/// The one text that is to be embedded, for a model that takes no more.
///
/// # Errors
/// An [`ApiError`] of status 400 where there are several, or where they are tokens.
pub fn one_text<'r>(request: &'r EmbeddingsRequest<'_>) -> Result<&'r str, ApiError> {
    match texts(request)? {
        [text] => Ok(text),
        _ => {
            let message = "This model embeds one input at a time there: send each in a request of its own.";
            Err(refusal("input", message.to_owned()))
        }
    }
}

/// The error for embeddings that are asked of a dialect without them.
pub(super) fn no_embeddings(target: Target<'_>) -> ApiError {
    refusal("model", format!("The provider of `{}` has no embeddings: ask another model.", target.model))
}

/// The error for an image of a kind that is not embedded.
pub(super) fn no_image(target: Target<'_>) -> ApiError {
    refusal("input", format!("`{}` embeds no image of this kind: send a PNG, JPEG, GIF or WebP.", target.model))
}

fn refusal(param: &str, message: String) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("unsupported_parameter".to_owned()),
        param: Some(param.to_owned()),
        message,
    }
}
