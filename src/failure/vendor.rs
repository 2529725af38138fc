//! Numbers that mean something at one provider only.
//!
//! **Invariant:** a number counts only where its provider is known, or the body has that provider's own shape.

use super::error_body::Said;
use crate::chat::FailureClass;

/// The class of a provider's own number, if it has one.
pub fn class(provider: &str, status: u16, said: &Said) -> Option<FailureClass> {
    let numbers = || said.numbers.iter().copied();
    let is = |names: &[&str]| names.iter().any(|name| provider.starts_with(name));
    if said.is_base_response || is(&["minimax"]) {
        return numbers().find_map(minimax);
    }
    if is(&["zai", "zhipu", "z_ai", "glm", "bigmodel"]) {
        return numbers().find_map(zhipu);
    }
    // Cohere blocks with what others say for "no room".
    (is(&["cohere"]) && status == 498).then_some(FailureClass::ContentPolicy)
}

fn minimax(number: u64) -> Option<FailureClass> {
    Some(match number {
        1001 => FailureClass::Timeout,
        1002 | 1039 | 1041 | 2045 => FailureClass::RateLimit,
        1004 | 2049 => FailureClass::Auth,
        1008 | 2056 => FailureClass::Quota,
        1000 | 1013 | 1024 | 1033 => FailureClass::Upstream,
        1026 | 1027 => FailureClass::ContentPolicy,
        2061 => FailureClass::Permission,
        _ => return None,
    })
}

fn zhipu(number: u64) -> Option<FailureClass> {
    Some(match number {
        1000..=1004 => FailureClass::Auth,
        1110..=1113 | 1121 | 1304 | 1308..=1310 => FailureClass::Quota,
        1211 | 1221 | 1222 => FailureClass::NotFound,
        1220 | 1311 => FailureClass::Permission,
        1120 | 1230 | 1234 => FailureClass::Upstream,
        1261 => FailureClass::ContextWindow,
        1300 | 1301 => FailureClass::ContentPolicy,
        1302 | 1303 | 1313 => FailureClass::RateLimit,
        1312 => FailureClass::Overloaded,
        _ => return None,
    })
}
