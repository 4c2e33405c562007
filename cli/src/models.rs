//! `unitscope models`: lists, shows, loads and unloads models.

use crate::args::ModelsCommand;
use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::json;
use crate::table::Table;
use unitscope_proto::v1::model::State;
use unitscope_proto::v1::model_input::Channels;
use unitscope_proto::v1::{
    GetModelRequest, Layer, ListModelsRequest, LoadModelRequest, Model, ModelInput, UnloadModelRequest,
};

/// Runs the command.
pub async fn run(server: &Server, command: ModelsCommand, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    let models = &mut services.models;
    let answer = match command {
        ModelsCommand::List => return list(&mut services, as_json).await,
        ModelsCommand::Show { model } => models.get_model(GetModelRequest { name: model }).await,
        ModelsCommand::Load { model } => models.load_model(LoadModelRequest { name: model }).await,
        ModelsCommand::Unload { model } => models.unload_model(UnloadModelRequest { name: model }).await,
    };
    let model = answer.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        json::print(&json::to_json("Model", &model));
    } else {
        print!("{}", describe(&model));
    }
    Ok(())
}

async fn list(services: &mut Services, as_json: bool) -> Result<(), Failure> {
    let answer = services.models.list_models(ListModelsRequest {}).await;
    let answer = answer.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        json::print(&json::to_json("ListModelsResponse", &answer));
        return Ok(());
    }
    if answer.models.is_empty() {
        println!("no models; the server reads them from the folders DIR/NAME/ of its --models DIR");
        return Ok(());
    }
    let mut table = Table::new(&["MODEL", "STATE", "INPUT", "CLASSES", ""]);
    for model in &answer.models {
        table.row(vec![
            model.name.clone(),
            state_name(model.state()).to_string(),
            model.input.as_ref().map_or_else(|| "?".to_string(), shape),
            model.labels.len().to_string(),
            model.state_reason.clone(),
        ]);
    }
    print!("{table}");
    Ok(())
}

/// Name, input, and a row for each layer, indented like the modules that hold it.
fn describe(model: &Model) -> String {
    let mut text = format!("{}  {}\n", console::style(&model.name).bold(), state_name(model.state()));
    if !model.state_reason.is_empty() {
        text.push_str(&format!("reason   {}\n", model.state_reason));
    }
    if let Some(input) = &model.input {
        text.push_str(&format!("input    {}\n", describe_input(input)));
    }
    if !model.labels.is_empty() {
        let shown = model.labels.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" · ");
        text.push_str(&format!("classes  {}: {shown} …\n", model.labels.len()));
    }
    if model.layers.is_empty() {
        return text;
    }
    let mut table = Table::new(&["LAYER", "TYPE", "SHAPE", "UNITS", "FIELD", "PRE"]);
    for layer in &model.layers {
        let pre = if layer.has_pre_activation { ":pre" } else { "" };
        table.row(vec![
            layer.path.clone(),
            if layer.r#type.is_empty() { layer.operator.clone() } else { layer.r#type.clone() },
            layer_shape(layer),
            layer.units.to_string(),
            field(layer),
            pre.to_string(),
        ]);
    }
    text.push_str(&format!("\n{table}"));
    text.push_str(&format!(
        "\nunits are LAYER:CHANNEL, as in `unitscope optimize --model {} --unit {}:0`; {}\n{}\n",
        model.name,
        example(&model.layers).path,
        "where PRE says `:pre`, LAYER:pre reads the value before the activation",
        "FIELD is what one position sees: pixels of the image, and how many to the next position; `?` where the graph does not tell",
    ));
    text
}

/// A layer to begin with: in the middle of the outermost ones that have space.
fn example(layers: &[Layer]) -> &Layer {
    let depth = |layer: &Layer| layer.path.matches('.').count();
    let spatial = || layers.iter().filter(|layer| layer.shape.len() == 3);
    let least = spatial().map(depth).min().unwrap_or(0);
    let outermost: Vec<&Layer> = spatial().filter(|layer| depth(layer) == least).collect();
    outermost.get(outermost.len() / 2).copied().unwrap_or(&layers[0])
}

fn describe_input(input: &ModelInput) -> String {
    let mut text = shape(input);
    if let [low, high] = input.range[..] {
        text.push_str(&format!(", pixels {low} … {high}"));
    }
    for (name, values) in [("mean", &input.mean), ("std", &input.std)] {
        if !values.is_empty() {
            let values = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            text.push_str(&format!(", {name} [{values}]"));
        }
    }
    let fixed = [("batch", input.fixed_batch), ("height", input.fixed_height), ("width", input.fixed_width)];
    for (name, size) in fixed.into_iter().filter(|(_, size)| *size > 0) {
        text.push_str(&format!(", {name} fixed to {size}"));
    }
    text
}

/// `224×224 BGR`
fn shape(input: &ModelInput) -> String {
    let channels = match input.channels() {
        Channels::Rgb => "RGB".to_string(),
        Channels::Bgr => "BGR".to_string(),
        Channels::Gray => "gray".to_string(),
        Channels::Other | Channels::Unspecified => format!("{} channels", input.channel_count),
    };
    format!("{}×{} {channels}", input.height, input.width)
}

/// `512 × 14 × 14`, with the axes' names where they are not the usual ones; of tokens, where patches are told, how many come before how many rows and columns of
/// them.
fn layer_shape(layer: &Layer) -> String {
    let sizes = layer.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
    let usual = [&["channel", "height", "width"][..], &["channel"]];
    if usual.iter().any(|axes| layer.axes == **axes) || layer.axes.is_empty() {
        sizes
    } else {
        let grid = layer.tokens.as_ref();
        let grid = grid.map(|grid| format!(" {}+{}×{}", grid.prefix, grid.rows, grid.columns));
        format!("{sizes} ({}){}", layer.axes.join(", "), grid.unwrap_or_default())
    }
}

/// `99×99 /16`: rows × columns that a position sees, and the pixels to the next position's; `whole` image; `?` where that is not known.
fn field(layer: &Layer) -> String {
    let Some(field) = &layer.receptive_field else { return "?".to_string() };
    match (field.size.as_slice(), field.stride.as_slice()) {
        _ if field.whole_image => "whole".to_string(),
        ([rows, columns], [down, right]) if down == right => format!("{rows}×{columns} /{down}"),
        ([rows, columns], [down, right]) => format!("{rows}×{columns} /{down}×{right}"),
        _ => "?".to_string(),
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Unspecified => "unknown",
        State::Unloaded => "unloaded",
        State::Loaded => "loaded",
        State::Broken => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unitscope_proto::v1::ReceptiveField;

    #[test]
    fn a_model_shows_its_input_and_layers() {
        let layer = |path: &str, kind: &str, shape: &[i64], axes: &[&str], pre| Layer {
            path: path.into(),
            r#type: kind.into(),
            shape: shape.to_vec(),
            axes: axes.iter().map(ToString::to_string).collect(),
            units: shape[0] as u64,
            has_pre_activation: pre,
            ..Layer::default()
        };
        let mut conv = layer("conv", "Conv2d", &[8, 32, 24], &["channel", "height", "width"], true);
        conv.receptive_field = Some(receptive_field([5, 7], [2, 2]));
        let model = Model {
            name: "demo".into(),
            state: State::Loaded.into(),
            labels: vec!["a".into(), "b".into()],
            input: Some(ModelInput {
                height: 64,
                width: 48,
                channel_count: 3,
                channels: Channels::Bgr.into(),
                range: vec![0.0, 255.0],
                mean: vec![1.5, 2.0, 3.0],
                fixed_batch: 1,
                ..ModelInput::default()
            }),
            layers: vec![conv, layer("norm", "LayerNorm", &[197, 8], &["token", "channel"], false)],
            ..Model::default()
        };
        let text = console::strip_ansi_codes(&describe(&model)).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "demo  loaded");
        assert_eq!(lines[1], "input    64×48 BGR, pixels 0 … 255, mean [1.5, 2, 3], batch fixed to 1");
        assert_eq!(lines[2], "classes  2: a · b …");
        assert_eq!(lines[4], "LAYER  TYPE       SHAPE                   UNITS  FIELD   PRE");
        assert_eq!(lines[5], "conv   Conv2d     8×32×24                 8      5×7 /2  :pre");
        assert_eq!(lines[6], "norm   LayerNorm  197×8 (token, channel)  197    ?");
        assert!(lines[8].contains("--unit conv:0"), "{}", lines[8]);
    }

    fn receptive_field(size: [u64; 2], stride: [u64; 2]) -> ReceptiveField {
        ReceptiveField { size: size.to_vec(), stride: stride.to_vec(), ..ReceptiveField::default() }
    }

    #[test]
    fn a_layer_shows_what_a_position_sees() {
        let check = |receptive_field, expected| {
            assert_eq!(field(&Layer { receptive_field, ..Layer::default() }), expected);
        };
        check(None, "?");
        check(Some(receptive_field([99, 99], [16, 16])), "99×99 /16");
        check(Some(receptive_field([9, 5], [4, 2])), "9×5 /4×2");
        check(Some(ReceptiveField { whole_image: true, ..ReceptiveField::default() }), "whole");
        // From a server that says less.
        check(Some(ReceptiveField::default()), "?");
    }
}
