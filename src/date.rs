//! Points in time as servers and people write them.
//!
//! **Invariant:** any text is read without overflow; what is no time is `None`.

/// Unix seconds of a date as RFC 3339 has it (`2025-08-24T12:03:34Z`, `2025-08-24T14:03:34.5+02:00`), without the fraction.
pub fn rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.split('-').map(str::parse::<u64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let (clock, zone) = time.split_at_checked(time.find(['Z', 'z', '+', '-'])?)?;
    let seconds = unix_seconds((year, month, day), clock.split_once('.').map_or(clock, |(whole, _)| whole))?;
    if matches!(zone, "Z" | "z") {
        return Some(seconds);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let offset = hours.parse::<u64>().ok().filter(|hours| *hours < 24)? * 3600
        + minutes.parse::<u64>().ok().filter(|minutes| *minutes < 60)? * 60;
    if zone.starts_with('+') { seconds.checked_sub(offset) } else { Some(seconds + offset) }
}

fn unix_seconds((year, month, day): (u64, u64, u64), clock: &str) -> Option<u64> {
    let mut clock = clock.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970, counting years from March so that the leap day comes last (Hinnant's days_from_civil).
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day;
    let days = (year * 365 + year / 4 - year / 100 + year / 400 + of_year).checked_sub(719_469)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_rfc_3339() {
        for text in [
            "1994-11-06T08:49:37Z",
            "1994-11-06t08:49:37.999z",
            "1994-11-06T10:49:37+02:00",
            "1994-11-06 03:19:37-05:30",
        ] {
            assert_eq!(rfc3339(text), Some(784_111_777), "{text}");
        }
        for text in [
            "",
            "1994-11-06",
            "1994-13-06T08:49:37Z",
            "1994-11-06T08:49:37",
            "1994-11-06T24:49:37Z",
            "1970-01-01T00:00:00+01:00",
            "1994-11-06T08:49:37+é",
            "-1-1-1T1:1:1Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text:?}");
        }
    }
}
