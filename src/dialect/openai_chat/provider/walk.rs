//! How a document is walked: only the members that a [`Look`] names are seen, everything else is skipped.
//!
//! **Invariant:** a value of an unexpected form is no fault: then nothing is seen of it. Only bytes that are not JSON are.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What is looked at in one value.
pub trait Look {
    /// The names of an object's members that matter.
    type Name: DeserializeOwned;

    /// The value is an object.
    fn object(&mut self) {}

    /// Takes the value of the member whose name was just read.
    fn member<'de, A: MapAccess<'de>>(&mut self, name: Self::Name, members: &mut A) -> Result<(), A::Error>;

    /// Takes the next item of a list. Whether there was one.
    fn item<'de, A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<bool, A::Error> {
        skip_item(items)
    }
}

/// Skips a member's value.
pub fn skip<'de, A: MapAccess<'de>>(members: &mut A) -> Result<(), A::Error> {
    members.next_value::<IgnoredAny>().map(drop)
}

/// Skips an item of a list. Whether there was one.
pub fn skip_item<'de, A: SeqAccess<'de>>(items: &mut A) -> Result<bool, A::Error> {
    Ok(items.next_element::<IgnoredAny>()?.is_some())
}

/// Walks one value.
pub struct Walk<'s, T>(pub &'s mut T);

impl<'de, T: Look> DeserializeSeed<'de> for Walk<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Look> Visitor<'de> for Walk<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.object();
        while let Some(name) = members.next_key()? {
            self.0.member(name, &mut members)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while self.0.item(&mut items)? {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}
