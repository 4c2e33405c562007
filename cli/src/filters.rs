//! `unitscope filters`: asks for a convolution's filters, writes them to a folder, shows the best Gabor fits.

mod args;
mod table;

pub use args::FiltersArgs;

use crate::connect::Server;
use crate::failure::Failure;
use crate::json;
use crate::output::Folder;
use unitscope_proto::v1::RenderFiltersRequest;

/// Runs the command.
pub async fn run(server: &Server, args: FiltersArgs, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    let request = RenderFiltersRequest {
        model: args.model,
        layer: args.layer.unwrap_or_default(),
        filters: args.filters.map(|numbers| numbers.0).unwrap_or_default(),
    };
    let answer = services.models.render_filters(request).await;
    let answer = answer.map_err(|status| Failure::from_status(services.url(), &status, argument))?;
    let mut answer = answer.into_inner();
    // The picture has a file of its own.
    let png = std::mem::take(&mut answer.png);
    let numbers = json::to_json("RenderFiltersResponse", &answer);
    let folder = Folder::new(&services, &args.out)?;
    let written = [
        folder.write("filters.png", &png)?,
        folder.write("filters.json", format!("{numbers:#}\n").as_bytes())?,
        folder.write("filters.csv", table::csv(&answer).as_bytes())?,
    ];
    if as_json {
        json::print(&numbers);
        return Ok(());
    }
    print!("{}", table::describe(&answer));
    for path in written {
        println!("{}", path.display());
    }
    Ok(())
}

/// The argument that the field at this path was made from.
fn argument(field: &str) -> Option<String> {
    let name = field.split('[').next().unwrap_or(field);
    let argument = match name {
        "model" => "MODEL",
        "layer" => "LAYER",
        "filters" => "--filters",
        _ => return None,
    };
    Some(argument.to_string())
}
