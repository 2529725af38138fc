//! The shell: the only room that says `proxy_wasm`.
