//! `unitscope indexes`: lists and deletes tables of stored scores.

use crate::args::IndexesCommand;
use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::json;
use crate::numbers::{age, bytes, counted, grouped};
use crate::table::Table;
use unitscope_proto::v1::{DeleteIndexRequest, Index, ListIndexesRequest};

/// Runs the command.
pub async fn run(server: &Server, command: IndexesCommand, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    match command {
        IndexesCommand::List => list(&mut services, as_json).await,
        IndexesCommand::Delete { ids } => {
            for id in ids {
                let request = DeleteIndexRequest { id: id.clone() };
                services.datasets.delete_index(request).await.map_err(|status| services.failure(status))?;
                if as_json {
                    json::print(&serde_json::json!({"id": id, "deleted": true}));
                } else {
                    println!("{id} deleted");
                }
            }
            Ok(())
        }
    }
}

async fn list(services: &mut Services, as_json: bool) -> Result<(), Failure> {
    let answer = services.datasets.list_indexes(ListIndexesRequest {}).await;
    let answer = answer.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        json::print(&json::to_json("ListIndexesResponse", &answer));
    } else {
        print!("{}", describe(&answer.indexes));
    }
    Ok(())
}

fn describe(indexes: &[Index]) -> String {
    if indexes.is_empty() {
        return "no stored scores; `unitscope rank` makes some\n".to_string();
    }
    let mut table = Table::new(&["ID", "MODEL", "IMAGES", "UNITS", "SIZE", "USED", "LAYER", "READING"]);
    for index in indexes {
        table.row(vec![
            index.id.clone(),
            index.model.clone(),
            grouped(index.images),
            grouped(index.units.into()),
            bytes(index.size_bytes),
            index
                .use_time
                .as_ref()
                .map_or_else(|| "?".to_string(), |time| format!("{} ago", age(Some(time)))),
            index.layer.clone(),
            index.reading.clone(),
        ]);
    }
    let size = indexes.iter().fold(0u64, |size, index| size.saturating_add(index.size_bytes));
    format!("{table}{}, {}\n", counted(indexes.len() as u64, "table"), bytes(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_readable_sizes_and_a_sum() {
        let index = |id: &str, size_bytes| Index {
            id: id.into(),
            model: "demo".into(),
            layer: "block3".into(),
            reading: "max".into(),
            images: 2000,
            units: 64,
            size_bytes,
            ..Index::default()
        };
        let text = describe(&[index("a1", 512_000), index("b2", 1_048_576)]);
        let text = console::strip_ansi_codes(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ID  MODEL  IMAGES  UNITS  SIZE     USED  LAYER   READING");
        assert_eq!(lines[1], "a1  demo   2,000   64     500 KiB  ?     block3  max");
        assert_eq!(lines[3], "2 tables, 1.5 MiB");
        assert!(describe(&[]).contains("no stored scores"));
    }
}
