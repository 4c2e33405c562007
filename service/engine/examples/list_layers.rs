//! Lists the layers of model folders with their shapes and axes, one line each: `list_layers MODEL_DIR…`.

use unitscope_engine::model::{Model, Reader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for folder in std::env::args().skip(1) {
        let model = Model::load(std::path::Path::new(&folder), &Reader::default())?;
        println!("{}: {} layers", model.name(), model.layers().len());
        for layer in model.layers() {
            let axes: Vec<String> = layer.axes.iter().map(|axis| format!("{axis:?}")).collect();
            println!(
                "{}  {}  {:?} {}  {:?}  {:?}",
                layer.path,
                layer.operator,
                layer.shape,
                axes.join(" "),
                layer.tokens,
                layer.sight
            );
        }
    }
    Ok(())
}
