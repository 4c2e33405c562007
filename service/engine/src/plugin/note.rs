//! The ELF note that says what a plugin is without running it, and the check that this host can serve it.

use object::read::elf::{ElfFile64, FileHeader};
use object::{Architecture, Endianness, Object, ObjectSection, ObjectSymbol, elf};
use unitscope_sdk::abi::{
    US_ABI_MAJOR, US_ABI_MINOR, US_ENTRY_SYMBOL, US_NOTE_OWNER, US_NOTE_SECTION, US_NOTE_TYPE,
};

use super::limits::{NAME_BYTES, NOTE_BYTES, TERMS};

/// What the note of a plugin that this host can serve says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub id: String,
    pub version: String,
    pub terms: Vec<String>,
}

/// Reads the note of a library's bytes. No code of the library runs.
///
/// # Errors
/// The reason, for the operator, why the library is not a plugin that this host can serve.
pub(super) fn read(library: &[u8]) -> Result<Note, String> {
    let header = elf::FileHeader64::<Endianness>::parse(library)
        .map_err(|_| "not a 64-bit ELF shared library".to_owned())?;
    if header.e_type.get(header.endian().unwrap_or_default()) != elf::ET_DYN {
        return Err("an ELF file, but not a shared library".to_owned());
    }
    let file =
        ElfFile64::<Endianness>::parse(library).map_err(|error| format!("a broken ELF file: {error}"))?;
    if file.architecture() != Architecture::X86_64 && cfg!(target_arch = "x86_64") {
        return Err(format!("built for {:?}, not for this machine", file.architecture()));
    }
    let Some(section) = file.section_by_name(US_NOTE_SECTION) else {
        return Err(format!(
            "has no section {US_NOTE_SECTION}, so it is not a Unitscope plugin; the SDK's export macro or US_NOTE writes it"
        ));
    };
    let bytes =
        section.data().map_err(|error| format!("its section {US_NOTE_SECTION} cannot be read: {error}"))?;
    let note = parse(text(bytes)?)?;
    let exported = file.dynamic_symbols().any(|symbol| {
        symbol.is_definition()
            && symbol.is_global()
            && symbol.name().is_ok_and(|name| name == US_ENTRY_SYMBOL)
    });
    if !exported {
        return Err(format!("does not export the symbol `{US_ENTRY_SYMBOL}`"));
    }
    Ok(note)
}

/// The description of the note, without the NUL that a C compiler leaves behind it.
fn text(note: &[u8]) -> Result<&str, String> {
    let broken =
        || format!("its section {US_NOTE_SECTION} is not one note of the owner {US_NOTE_OWNER}, type 1");
    let word = |at: usize| -> Option<usize> {
        Some(u32::from_le_bytes(note.get(at..at + 4)?.try_into().ok()?) as usize)
    };
    let (owner_size, text_size, kind) = (word(0), word(4), word(8));
    let (Some(owner_size), Some(text_size)) = (owner_size, text_size) else { return Err(broken()) };
    let owner = note.get(12..).and_then(|rest| rest.get(..owner_size)).ok_or_else(broken)?;
    if kind != Some(US_NOTE_TYPE as usize) || owner.strip_suffix(&[0]) != Some(US_NOTE_OWNER.as_bytes()) {
        return Err(broken());
    }
    let start = 12 + owner_size.next_multiple_of(4);
    let text = note.get(start..).and_then(|rest| rest.get(..text_size)).ok_or_else(broken)?;
    if text.len() > NOTE_BYTES {
        return Err(format!("its note has {} bytes; a note has at most {NOTE_BYTES}", text.len()));
    }
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    std::str::from_utf8(text).map_err(|_| "its note is not UTF-8".to_owned())
}

fn parse(text: &str) -> Result<Note, String> {
    let line = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .ok_or_else(|| format!("its note has no line `{key}=`"))
    };
    check_abi(line("abi")?)?;
    match line("panic")? {
        "unwind" => {}
        "abort" => {
            return Err("built with panic=abort, so that a panic would end the service; \
                build it with panic=unwind, the default"
                .to_owned());
        }
        other => return Err(format!("its note says panic={other}; unwind is the one that can be served")),
    }
    let terms: Vec<String> =
        line("terms")?.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
    if terms.len() as u64 > TERMS {
        return Err(format!("its note lists {} terms; a plugin has at most {TERMS}", terms.len()));
    }
    let name = |key: &str| match line(key)? {
        "" => Err(format!("its note says `{key}=` and nothing after it")),
        name if name.len() as u64 > NAME_BYTES => {
            Err(format!("its note's {key} is longer than {NAME_BYTES} bytes"))
        }
        name => Ok(name.to_owned()),
    };
    Ok(Note { id: name("id")?, version: name("version")?, terms })
}

fn check_abi(abi: &str) -> Result<(), String> {
    let numbers =
        abi.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let Some((major, minor)) = numbers else {
        return Err(format!("its note says abi={abi}, which is not MAJOR.MINOR"));
    };
    check_abi_numbers(major, minor)
}

/// Whether a plugin of this major version, which can do with this minor version, can be served.
pub(super) fn check_abi_numbers(major: u16, minor: u16) -> Result<(), String> {
    let served = format!("this service serves {US_ABI_MAJOR}.{US_ABI_MINOR}");
    if major != US_ABI_MAJOR {
        return Err(format!(
            "built for plugin ABI {major}.{minor}, and {served}; rebuild it against this service's SDK"
        ));
    }
    if minor > US_ABI_MINOR {
        return Err(format!("needs plugin ABI {major}.{minor} or later, and {served}; update the service"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, reason: &str) {
        let error = parse(text).expect_err("a bad note");
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_good_note_is_read() {
        let note = parse("abi=0.0\nid=a.b\nversion=1\nterms=x,y\npanic=unwind\nlater=whatever\n")
            .expect("a good note");
        assert_eq!(note.terms, ["x", "y"]);
        assert_eq!((note.id.as_str(), note.version.as_str()), ("a.b", "1"));
    }

    #[test]
    fn each_bad_note_has_its_reason() {
        check("", "no line `abi=`");
        check("abi=x\n", "not MAJOR.MINOR");
        check("abi=7.0\n", "plugin ABI 7.0");
        check("abi=0.9\n", "update the service");
        check("abi=0.0\npanic=abort\n", "panic=abort");
        check("abi=0.0\npanic=unwind\nterms=x\nid=\n", "`id=`");
        check("abi=0.0\npanic=unwind\nid=a\nversion=1\n", "no line `terms=`");
        check(&format!("abi=0.0\npanic=unwind\nid=a\nversion=1\nterms={}", "x,".repeat(300)), "300 terms");
    }

    #[test]
    fn sizes_that_lie_are_found() {
        for note in
            [&b""[..], b"\x0a\0\0\0", b"\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0Unitscope\0", &[255; 64]]
        {
            assert!(text(note).is_err());
        }
        assert!(read(b"no library").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = text(&bytes);
        }
    }
}
