//! Operators that traces and fast paths leave behind, in terms of plain ones that gradients flow through: convolutions of all kinds, and attention in one call.

use super::super::super::error::ModelError;
use super::super::super::graph::{Argument, Size};
use super::super::document::Instruction;
use super::Interpreter;
use super::value::Value;

/// Named arguments of a call.
type Arguments = Vec<(String, Argument)>;

impl Interpreter<'_> {
    /// `_convolution`, which traces record, as the operator that the network called: `conv2d` and its kin.
    pub(super) fn plain_convolution(
        &self,
        name: &str,
        overload: &str,
        mut arguments: Arguments,
    ) -> Result<(String, String, Arguments), ModelError> {
        if name != "_convolution" {
            return Ok((name.to_owned(), overload.to_owned(), arguments));
        }
        let named =
            |name: &str| arguments.iter().find(|(given, _)| given == name).map(|(_, argument)| argument);
        let rank = match named("weight") {
            Some(Argument::Tensor(id)) => self.facts.get(id).map_or(0, |fact| fact.sizes.len()),
            _ => 0,
        };
        let axes = rank.checked_sub(2).filter(|axes| (1..=3).contains(axes));
        let (Some(axes), Some(Argument::Bool(transposed))) = (axes, named("transposed")) else {
            return Err(ModelError::format("a convolution has a weight of no known rank"));
        };
        let order: &[&str] = if *transposed {
            &["input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"]
        } else {
            &["input", "weight", "bias", "stride", "padding", "dilation", "groups"]
        };
        let name = if *transposed { format!("conv_transpose{axes}d") } else { format!("conv{axes}d") };
        // conv_transpose2d and 3d have no default overload.
        let overload = if *transposed && axes > 1 { "input".to_owned() } else { String::new() };
        let kept = order.iter().filter_map(|wanted| {
            let at = arguments.iter().position(|(given, _)| given == wanted)?;
            Some(arguments.swap_remove(at))
        });
        let kept = kept.collect();
        Ok((name, overload, kept))
    }

    /// `_native_multi_head_attention`, which `nn.MultiheadAttention` calls in inference; none for other operators.
    pub(super) fn fused_attention(
        &mut self,
        instruction: &Instruction,
        name: &str,
        inputs: &[Value],
    ) -> Result<Option<Vec<Value>>, ModelError> {
        if name != "_native_multi_head_attention" {
            return Ok(None);
        }
        let find = |name: &str| {
            let at = instruction.names.iter().position(|given| given == name);
            at.and_then(|at| inputs.get(at)).cloned().unwrap_or(Value::None)
        };
        if !matches!(find("mask"), Value::None) {
            return Err(self.wrong(instruction, "has a mask, which is not understood in its fused form"));
        }
        let (query, key) = (find("query"), find("key"));
        let same = matches!((&query, &key), (Value::Tensor(a), Value::Tensor(b)) if a == b);
        let heads = self.integer(&find("num_head"), instruction)?;
        let width = self.integer(&find("embed_dim"), instruction)?;
        if !same || heads < 1 || width % heads != 0 {
            return Err(self.wrong(
                instruction,
                "attends from one sequence to another, which is not understood in its fused form",
            ));
        }
        let tensor = ["Tensor".to_owned()];
        let linear = |this: &mut Self, input: Value, weight: &str, bias: &str| {
            let mut arguments = Vec::new();
            for (name, value) in [("input", input), ("weight", find(weight)), ("bias", find(bias))] {
                arguments.push((name.to_owned(), this.argument(name, &value, instruction)?));
            }
            this.node("linear", "", arguments, &tensor)
        };
        let projected = linear(self, query, "qkv_weight", "qkv_bias")?;
        let pieces = self.split_heads(projected, heads, width / heads, instruction)?;
        let names = ["query", "key", "value"].map(str::to_owned);
        let arguments = names.into_iter().zip(pieces).collect();
        let attended = self.node("scaled_dot_product_attention", "", arguments, &tensor)?;
        let joined = self.join_heads(attended, instruction)?;
        let mut result = linear(self, joined, "proj_weight", "proj_bias")?;
        // The weights themselves, which inference does not ask for.
        result.push(Value::None);
        Ok(Some(result))
    }

    /// `[n, t, 3 · width]` to three of `[n, heads, t, width / heads]`.
    fn split_heads(
        &mut self,
        projected: Vec<Value>,
        heads: i64,
        width: i64,
        instruction: &Instruction,
    ) -> Result<Vec<Argument>, ModelError> {
        let tensor = ["Tensor".to_owned()];
        let sizes = [Size::Known(3), Size::Known(heads), Size::Known(width)];
        let arguments = vec![
            ("self".to_owned(), self.argument("self", &projected[0], instruction)?),
            ("dim".to_owned(), Argument::Int(-1)),
            ("sizes".to_owned(), Argument::Ints(sizes.to_vec())),
        ];
        let split = self.node("unflatten", "int", arguments, &tensor)?;
        let arguments = vec![
            ("self".to_owned(), self.argument("self", &split[0], instruction)?),
            ("dims".to_owned(), Argument::Ints([2, 0, 3, 1, 4].map(Size::Known).to_vec())),
        ];
        let permuted = self.node("permute", "", arguments, &tensor)?;
        let permuted = self.argument("self", &permuted[0], instruction)?;
        let mut pieces = Vec::new();
        for index in 0..3 {
            let arguments = vec![
                ("self".to_owned(), permuted.clone()),
                ("dim".to_owned(), Argument::Int(0)),
                ("index".to_owned(), Argument::Int(index)),
            ];
            let piece = self.node("select", "int", arguments, &tensor)?;
            pieces.push(self.argument("self", &piece[0], instruction)?);
        }
        Ok(pieces)
    }

    /// `[n, heads, t, d]` to `[n, t, heads · d]`.
    fn join_heads(&mut self, attended: Vec<Value>, instruction: &Instruction) -> Result<Value, ModelError> {
        let tensor = ["Tensor".to_owned()];
        let arguments = vec![
            ("self".to_owned(), self.argument("self", &attended[0], instruction)?),
            ("dim0".to_owned(), Argument::Int(1)),
            ("dim1".to_owned(), Argument::Int(2)),
        ];
        let swapped = self.node("transpose", "int", arguments, &tensor)?;
        let arguments = vec![
            ("self".to_owned(), self.argument("self", &swapped[0], instruction)?),
            ("start_dim".to_owned(), Argument::Int(2)),
            ("end_dim".to_owned(), Argument::Int(-1)),
        ];
        let mut joined = self.node("flatten", "using_ints", arguments, &tensor)?;
        Ok(joined.pop().unwrap_or(Value::None))
    }
}
