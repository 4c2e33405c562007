//! Branches and loops: which way the program goes, and how often; knows no operator.

use super::super::super::error::ModelError;
use super::super::super::limits::{self, at_most};
use super::super::super::number::Number;
use super::super::document::{Block, Instruction};
use super::value::Value;
use super::{Frame, Interpreter, read};

impl<'a> Interpreter<'a> {
    /// `prim::If`: the branch that its condition says.
    pub(super) fn branch(
        &mut self,
        instruction: &'a Instruction,
        frame: &mut Frame,
    ) -> Result<Vec<Value>, ModelError> {
        let [yes, no] = instruction.blocks.as_slice() else {
            return Err(ModelError::format("a condition has not two branches"));
        };
        let condition = match instruction.inputs.first() {
            Some(id) => read(frame, *id)?,
            None => return Err(ModelError::format("a branch has no condition")),
        };
        let branch = if self.truth(&condition, instruction)? { yes } else { no };
        self.run_block(branch, frame)
    }

    /// `prim::Loop`: at most so many times, as long as the condition holds.
    pub(super) fn repeat(
        &mut self,
        instruction: &'a Instruction,
        frame: &mut Frame,
    ) -> Result<Vec<Value>, ModelError> {
        let inputs: Vec<Value> =
            instruction.inputs.iter().map(|id| read(frame, *id)).collect::<Result<_, _>>()?;
        let ([body], [most, condition, carried @ ..]) = (instruction.blocks.as_slice(), inputs.as_slice())
        else {
            return Err(ModelError::format("a loop has not one body and a condition"));
        };
        let most = self.integer(most, instruction)?;
        let mut goes_on = self.truth(condition, instruction)?;
        let mut carried = carried.to_vec();
        let mut round = 0;
        while goes_on && round < most {
            at_most("the number of rounds of a loop", round.unsigned_abs(), limits::INSTRUCTIONS as u64)?;
            self.enter(body, frame, round, carried)?;
            let mut results = self.run_block(body, frame)?.into_iter();
            let condition =
                results.next().ok_or_else(|| ModelError::format("a loop's body has no condition"))?;
            goes_on = self.truth(&condition, instruction)?;
            carried = results.collect();
            self.steps += 1;
            round += 1;
        }
        Ok(carried)
    }

    fn enter(
        &self,
        body: &Block,
        frame: &mut Frame,
        round: i64,
        carried: Vec<Value>,
    ) -> Result<(), ModelError> {
        let values = std::iter::once(Value::int(round)).chain(carried);
        let before = body.inputs.len();
        let mut set = 0;
        for (id, value) in body.inputs.iter().zip(values) {
            frame.insert(*id, value);
            set += 1;
        }
        if set == before { Ok(()) } else { Err(ModelError::format("a loop carries too few values")) }
    }

    /// What a condition is.
    pub(super) fn truth(&mut self, value: &Value, instruction: &Instruction) -> Result<bool, ModelError> {
        match value {
            Value::Number(number) | Value::NumberTensor(number) => Ok(match number.value {
                Number::Bool(value) => value,
                Number::Int(value) => value != 0,
                Number::Float(value) => value != 0.0,
            }),
            Value::Tensor(id) if self.numbers.contains_key(id) => Ok(self.numbers[id].float() != 0.0),
            Value::Tensor(_) => Err(self.depends_on_content(instruction)),
            other => Err(self.wrong(instruction, &format!("takes a truth value and got {}", other.kind()))),
        }
    }

    /// The program's way depends on what is in a tensor.
    pub(super) fn depends_on_content(&self, instruction: &Instruction) -> ModelError {
        self.wrong(instruction, "depends on the content of a tensor, so that each image could go another way through the network; a graph of tensor operators has one way for all")
    }
}
