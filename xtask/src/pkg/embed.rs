//! The wasm as text: gzip, then base64, in a JavaScript module that the package's source imports.

use std::fs;
use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::engine::Module;
use super::{Mode, Stamp, generated_dir};
use crate::failure::Failure;
use crate::say::say;
use crate::workspace::Workspace;

/// Writes `generated/engine_wasm.js` and its types, or those of another module.
pub(super) fn write(workspace: &Workspace, of: &Module, wasm: &Path, mode: Mode) -> Result<(), Failure> {
    let dir = generated_dir(workspace);
    let (script, types) = (dir.join(format!("{}_wasm.js", of.text)), dir.join(format!("{}_wasm.d.ts", of.text)));
    Stamp::new(workspace, &of.step("embed"), mode.name()).input(wasm, &[])?.run(&[&script, &types], || {
        let bytes = fs::read(wasm).map_err(Failure::file("reading", wasm))?;
        let packed = match mode {
            Mode::Dev | Mode::Profile => gzip(&bytes),
            Mode::Release => gzip_small(&bytes),
        };
        let packed = packed.map_err(Failure::file("compressing", wasm))?;
        say!("  {}: {} bytes of wasm, {} compressed", of.text, bytes.len(), packed.len());
        fs::write(&script, module(of.text, &packed)).map_err(Failure::file("writing", &script))?;
        fs::write(&types, declaration(of.text)).map_err(Failure::file("writing", &types))
    })
}

fn module(name: &str, packed: &[u8]) -> String {
    format!("export const {name}GzipBase64 = \"{}\";\n", BASE64_STANDARD.encode(packed))
}

fn declaration(name: &str) -> String {
    format!("/** The wasm: gzip, as base64. */\nexport declare const {name}GzipBase64: string;\n")
}

/// gzip as a web server does it at its best; this is also how sizes are measured.
pub(crate) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The same format by Zopfli, which searches for seconds and saves a few per cent: compressed once, loaded by every page.
fn gzip_small(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, bytes, &mut packed)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::{BASE64_STANDARD, Engine, gzip, gzip_small, module};
    use std::io::Read;

    #[test]
    fn what_is_embedded_unpacks_to_what_was_given() {
        let bytes: Vec<u8> = (0..20_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for packed in [gzip(&bytes).unwrap(), gzip_small(&bytes).unwrap()] {
            assert!(packed.len() < bytes.len() / 2, "{} bytes", packed.len());
            let script = module("engine", &packed);
            let text = script.split('"').nth(1).unwrap();
            let decoded = BASE64_STANDARD.decode(text).unwrap();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(decoded.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, bytes);
        }
    }
}
