//! How long something took on the processor, so that other work on the machine changes nothing.

/// What this thread has spent of a processor so far, in milliseconds. Where the system does not say, the time of day.
pub fn spent_ms() -> u128 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent_ns = spent.as_deref().and_then(|text| text.split(' ').next()).and_then(|ns| ns.parse::<u128>().ok());
    let of_day = || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis());
    spent_ns.map_or_else(of_day, |ns| ns / 1_000_000)
}
