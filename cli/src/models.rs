//! `unitscope models`: lists, shows, loads and unloads models.

mod cells;
mod tree;

use crate::args::ModelsCommand;
use crate::connect::{Server, Services};
use crate::failure::Failure;
use crate::json;
use crate::notation::size::Size;
use crate::numbers::magnitude;
use crate::table::{Table, wrap};
use tree::{Extract, Tree};
use unitscope_proto::v1::model::State;
use unitscope_proto::v1::model_input::Channels;
use unitscope_proto::v1::unlisted_module::Reason;
use unitscope_proto::v1::{
    GetModelRequest, Layer, ListModelsRequest, LoadModelRequest, Model, ModelInput, UnlistedModule,
    UnloadModelRequest,
};

/// Runs the command.
pub async fn run(server: &Server, command: ModelsCommand, as_json: bool) -> Result<(), Failure> {
    let mut services = server.connect().await?;
    let models = &mut services.models;
    let mut extract = Extract { under: None, depth: None };
    let answer = match command {
        ModelsCommand::List => return list(&mut services, as_json).await,
        ModelsCommand::Show { model, size, layers_under, depth } => {
            extract = Extract { under: layers_under, depth };
            models.get_model(request(model, size)).await
        }
        ModelsCommand::Load { model } => models.load_model(LoadModelRequest { name: model }).await,
        ModelsCommand::Unload { model } => models.unload_model(UnloadModelRequest { name: model }).await,
    };
    let mut model = answer.map_err(|status| services.failure(status))?.into_inner();
    if as_json {
        extract.check(&model)?;
        model.layers.retain(|layer| extract.has(layer));
        json::print(&json::to_json("Model", &model));
    } else {
        print!("{}", describe(&model, &extract)?);
    }
    Ok(())
}

fn request(name: String, size: Option<Size>) -> GetModelRequest {
    let (height, width) = (size.map(|size| size.height), size.map(|size| size.width));
    GetModelRequest { name, height, width, layers: Vec::new() }
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

/// Name, input, cost, and the tree of layers.
fn describe(model: &Model, extract: &Extract) -> Result<String, Failure> {
    extract.check(model)?;
    let mut text = format!("{}  {}\n", console::style(&model.name).bold(), state_name(model.state()));
    for (name, value) in facts(model).into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name:<12}{value}\n"));
    }
    if !model.layers.is_empty() {
        text.push_str(&format!("\n{}", Tree::new(&model.layers, extract)));
        text.push_str(&legend(model));
    }
    Ok(text)
}

/// What there is to say of a model as a whole; empty where it is not known.
fn facts(model: &Model) -> Vec<(&'static str, String)> {
    let classes = match model.labels.as_slice() {
        [] => String::new(),
        labels => {
            let shown = labels.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" · ");
            format!("{}: {shown} …", labels.len())
        }
    };
    let mut facts = vec![
        ("reason", model.state_reason.clone()),
        ("input", model.input.as_ref().map(describe_input).unwrap_or_default()),
        ("classes", classes),
    ];
    if !model.layers.is_empty() {
        let (height, width) = (model.listed_height, model.listed_width);
        facts.push(("parameters", magnitude(model.parameters)));
        facts.push(("cost", format!("{} MACs for an image of {height}×{width}", magnitude(model.macs))));
    }
    facts.push(("digest", model.digest.clone()));
    facts
}

/// What the tree leaves open.
fn legend(model: &Model) -> String {
    let example = &example(&model.layers).path;
    let mut lines = vec![
        format!("units are LAYER:CHANNEL, as in `unitscope optimize --model {} --unit {example}:0`", model.name),
        "ACT: after or before an activation (ReLU, GELU, softmax, …); LAYER:pre of one that is after it is the value before it".to_string(),
        "FIELD: the pixels that a position sees, those to the next position, and where the first one's begin; `?` where the graph does not tell".to_string(),
        "MACS: multiply-accumulates for an image inside of the module; TO REACH: of all that its value needs".to_string(),
    ];
    let reasons = [
        (Reason::NoOperator, "modules that do not run, or without an operator of their own"),
        (Reason::NoImage, "modules whose values belong to no single image"),
    ];
    for (reason, words) in reasons {
        let outermost = outermost(model.unlisted_modules.iter().filter(|module| module.reason() == reason));
        if !outermost.is_empty() {
            lines.push(format!("{words}: {}", outermost.join(", ")));
        }
    }
    let terminal = console::Term::stdout();
    let room = if terminal.is_term() { usize::from(terminal.size().1) } else { usize::MAX };
    let wrapped: Vec<String> = lines.iter().flat_map(|line| wrap(line, room)).collect();
    format!("\n{}\n", wrapped.join("\n"))
}

/// The modules that lie in no other one of these, each with how many lie in it.
fn outermost<'a>(modules: impl Iterator<Item = &'a UnlistedModule>) -> Vec<String> {
    let mut found: Vec<(&str, usize)> = Vec::new();
    for module in modules {
        match found.last_mut() {
            Some((path, below))
                if module.path.strip_prefix(*path).is_some_and(|rest| rest.starts_with('.')) =>
            {
                *below += 1;
            }
            _ => found.push((&module.path, 0)),
        }
    }
    let words = |(path, below): (&str, usize)| match below {
        0 => path.to_string(),
        _ => format!("{path} (and {below} below it)"),
    };
    found.into_iter().map(words).collect()
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

    #[test]
    fn a_model_shows_its_input_and_what_it_costs() {
        let model = Model {
            name: "demo".into(),
            state: State::Loaded.into(),
            digest: "a1b2".into(),
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
            layers: vec![Layer { path: "conv".into(), r#type: "Conv2d".into(), ..Layer::default() }],
            listed_height: 96,
            listed_width: 64,
            parameters: 441_520,
            macs: 76_605_184,
            unlisted_modules: ["drop", "aux", "aux.conv", "aux.fc"].map(unlisted).to_vec(),
            ..Model::default()
        };
        let text = describe(&model, &Extract { under: None, depth: None }).unwrap();
        let text = console::strip_ansi_codes(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "demo  loaded");
        assert_eq!(lines[1], "input       64×48 BGR, pixels 0 … 255, mean [1.5, 2, 3], batch fixed to 1");
        assert_eq!(lines[2], "classes     2: a · b …");
        assert_eq!(lines[3], "parameters  442 k");
        assert_eq!(lines[4], "cost        76.6 M MACs for an image of 96×64");
        assert_eq!(lines[5], "digest      a1b2");
        assert!(lines[7].starts_with("LAYER  TYPE"), "{}", lines[7]);
        assert!(text.contains("--unit conv:0"), "{text}");
        assert!(text.contains("without an operator of their own: drop, aux (and 2 below it)\n"), "{text}");
    }

    fn unlisted(path: &str) -> UnlistedModule {
        UnlistedModule { path: path.into(), reason: Reason::NoOperator.into() }
    }
}
