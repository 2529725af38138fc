//! `signalbox image`: the filter's module as an image, in the form that Istio's agent, Envoy Gateway and Kubernetes' image volumes take: one
//! layer with one file.
//!
//! It writes a directory in OCI's image layout, which skopeo, oras and crane push as it is, and needs none of them.
//!
//! **Invariant:** the same module gives the same bytes, so a digest names a module for good.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::configuration::WRONG;
use super::{envoy, stdout};

/// What the module is called in the layer. Istio's agent looks for no other name.
const FILE: &str = "plugin.wasm";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Arguments of `signalbox image`.
#[derive(clap::Args)]
pub struct Args {
    /// The filter's module [default: signalbox.wasm beside this program]
    #[arg(long, value_name = "PATH")]
    module: Option<PathBuf>,
    /// The directory to write; it may hold an earlier image
    #[arg(short, long, value_name = "DIR", default_value = "signalbox-image")]
    output: PathBuf,
    /// Where the image will be pushed to
    #[arg(long, value_name = "REGISTRY/NAME:TAG", default_value = concat!("signalbox:", env!("CARGO_PKG_VERSION")))]
    tag: String,
    /// The kind of node that image volumes of Kubernetes take it for: linux/amd64 or linux/arm64
    #[arg(long, value_name = "OS/ARCHITECTURE", default_value = "linux/amd64")]
    platform: String,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    match image(args) {
        Ok(reference) => stdout::print(&format!("{reference}\n"), ExitCode::SUCCESS),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(WRONG)
        }
    }
}

/// Writes it. Returns how a configuration refers to it.
fn image(args: &Args) -> Result<String, String> {
    let (name, tag) = reference(&args.tag).ok_or_else(|| {
        format!("--tag {}: write a registry, a name in small letters and a tag, such as `registry.example.com/llm/signalbox:1.0`", args.tag)
    })?;
    let (system, architecture) = args
        .platform
        .split_once('/')
        .ok_or_else(|| format!("--platform {}: write for example `linux/arm64`", args.platform))?;
    let module = envoy::module(args.module.as_deref());
    let bytes = std::fs::read(&module).map_err(|error| format!("cannot read {}: {error}", module.display()))?;
    if !bytes.starts_with(b"\0asm") {
        return Err(format!("{} is no wasm module", module.display()));
    }
    let tar = archive(&bytes).map_err(|error| format!("cannot pack {}: {error}", module.display()))?;
    let layer = compressed(&tar).map_err(|error| format!("cannot compress {}: {error}", module.display()))?;
    let layout = Layout::begin(&args.output)?;
    let layer = layout.blob(LAYER, &layer)?;
    let config = layout.blob(
        CONFIG,
        &text(&json!({
            "architecture": architecture,
            "os": system,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(&tar)]},
        })),
    )?;
    let mut manifest = layout.blob(
        MANIFEST,
        &text(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
            "annotations": {"module.wasm.image/variant": "compat"},
        })),
    )?;
    let pinned = manifest.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(manifest) = manifest.as_object_mut() {
        manifest.insert("annotations".to_owned(), json!({"org.opencontainers.image.ref.name": tag}));
    }
    layout.end(&manifest)?;
    let folder = args.output.display();
    eprintln!("note: push it with `skopeo copy --preserve-digests oci:{folder}:{tag} docker://{name}:{tag}`");
    Ok(format!("oci://{name}@{pinned}"))
}

/// The name and the tag of an image.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, tag) = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    // A registry may have a port, and any case.
    let (registry, path) = name.split_once('/').map_or(("", name), |(registry, path)| (registry, path));
    let is_registry = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let is_name =
        registry.chars().all(is_registry) && path.split('/').all(|part| !part.is_empty() && part.chars().all(is_part));
    let is_tag =
        !tag.is_empty() && tag.len() <= 128 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (is_name && is_tag).then_some((name, tag))
}

/// The module as an archive of one file, without a time or an owner.
fn archive(module: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(module.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, FILE, module)?;
    archive.into_inner()
}

fn compressed(tar: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut writer, tar)?;
    writer.finish()
}

fn text(json: &Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A directory in OCI's layout.
struct Layout<'a>(&'a Path);

impl<'a> Layout<'a> {
    /// In a directory that is new, empty, or such a layout already.
    fn begin(folder: &'a Path) -> Result<Self, String> {
        let is_taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if is_taken && !folder.join("oci-layout").is_file() {
            return Err(format!("{} holds something else than an image: name another directory", folder.display()));
        }
        let layout = Self(folder);
        std::fs::create_dir_all(folder.join("blobs/sha256"))
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        layout.write("oci-layout", &text(&json!({"imageLayoutVersion": "1.0.0"})))?;
        Ok(layout)
    }

    /// Writes a blob. Returns what refers to it.
    fn blob(&self, kind: &str, bytes: &[u8]) -> Result<Value, String> {
        self.write(&format!("blobs/sha256/{}", hex(bytes)), bytes)?;
        Ok(json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()}))
    }

    /// Names its one image.
    fn end(&self, manifest: &Value) -> Result<(), String> {
        self.write("index.json", &text(&json!({"schemaVersion": 2, "manifests": [manifest]})))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        let whole = |text| reference(text);
        assert_eq!(
            whole("registry.example.com:5000/llm/signalbox:1.0"),
            Some(("registry.example.com:5000/llm/signalbox", "1.0"))
        );
        assert_eq!(whole("signalbox:0.1.0"), Some(("signalbox", "0.1.0")));
        for wrong in [
            "signalbox",
            "host:5000/signalbox",
            "host/Big:1",
            "host//x:1",
            "host/x:",
            "host/x:a b",
            "",
            ":1",
            "host/x@sha256:1",
        ] {
            assert_eq!(whole(wrong), None, "{wrong}");
        }
    }
}
