// The C interface to libtorch's dispatcher: calls any operator by its name with tagged arguments; knows no graph and no allow list.
//
// Every function catches every exception and returns null or a message that the caller frees with us_text_free.
// A tensor is an `at::Tensor*`, the same as tch's `C_tensor*`; tensors handed out belong to the caller.

#include <ATen/ScalarOps.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>
#include <dlfcn.h>
#include <link.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

// Kept in step with `Tag` in shim.rs.
enum Tag : int32_t {
  NONE = 0,
  TENSOR = 1,   // pointer: at::Tensor*
  TENSORS = 2,  // pointer: at::Tensor* const*, null where the list has a gap
  INT = 3,
  DOUBLE = 4,
  BOOL = 5,     // integer
  INTS = 6,     // pointer: int64_t*
  DOUBLES = 7,  // pointer: double*
  BOOLS = 8,    // pointer: int64_t*
  TEXT = 9,     // pointer: char*, count: its length
  DEVICE = 10,  // integer: device type, count: index
};

}  // namespace

extern "C" struct us_argument {
  int32_t tag;
  int64_t count;
  int64_t integer;
  double real;
  const void* pointer;
};

namespace {

// One call with everything filled in that does not change from run to run.
struct Step {
  c10::OperatorHandle handle;
  torch::jit::Stack stack;
  std::vector<size_t> changing;  // positions in the stack, in the order of the arguments of a run
};

char* copy(const std::string& text) {
  char* result = static_cast<char*>(std::malloc(text.size() + 1));
  if (result != nullptr) std::memcpy(result, text.c_str(), text.size() + 1);
  return result;
}

template <class F>
char* guarded(F&& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return copy(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return copy(error.what());
  } catch (...) {
    return copy("an unknown C++ exception");
  }
}

[[noreturn]] void mismatch(const c10::TypePtr& type, int32_t tag) {
  throw std::invalid_argument("an argument of kind " + std::to_string(tag) + " does not fit the type " + type->str());
}

double real(const us_argument& argument, const c10::TypePtr& type) {
  if (argument.tag == DOUBLE) return argument.real;
  if (argument.tag == INT) return static_cast<double>(argument.integer);
  mismatch(type, argument.tag);
}

at::Tensor tensor(const void* pointer) {
  return pointer == nullptr ? at::Tensor() : *static_cast<const at::Tensor*>(pointer);
}

c10::IValue list(const us_argument& argument, const c10::TypePtr& element, int64_t width) {
  const auto count = static_cast<size_t>(argument.count);
  switch (element->kind()) {
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: {
      c10::List<int64_t> result;
      // A schema's `int[2]` also takes one integer for both.
      if (argument.tag == INT) result.resize(width > 0 ? static_cast<size_t>(width) : 1, argument.integer);
      else if (argument.tag == INTS) for (size_t i = 0; i < count; i++) result.push_back(static_cast<const int64_t*>(argument.pointer)[i]);
      else mismatch(element, argument.tag);
      return result;
    }
    case c10::TypeKind::FloatType: {
      c10::List<double> result;
      if (argument.tag == DOUBLES) for (size_t i = 0; i < count; i++) result.push_back(static_cast<const double*>(argument.pointer)[i]);
      else if (argument.tag == INTS) for (size_t i = 0; i < count; i++) result.push_back(static_cast<double>(static_cast<const int64_t*>(argument.pointer)[i]));
      else mismatch(element, argument.tag);
      return result;
    }
    case c10::TypeKind::BoolType: {
      if (argument.tag != BOOLS) mismatch(element, argument.tag);
      c10::List<bool> result;
      for (size_t i = 0; i < count; i++) result.push_back(static_cast<const int64_t*>(argument.pointer)[i] != 0);
      return result;
    }
    case c10::TypeKind::TensorType: {
      if (argument.tag != TENSORS) mismatch(element, argument.tag);
      c10::List<at::Tensor> result;
      for (size_t i = 0; i < count; i++) result.push_back(tensor(static_cast<const void* const*>(argument.pointer)[i]));
      return result;
    }
    case c10::TypeKind::OptionalType: {
      if (argument.tag != TENSORS) mismatch(element, argument.tag);
      c10::List<std::optional<at::Tensor>> result;
      for (size_t i = 0; i < count; i++) {
        const void* pointer = static_cast<const void* const*>(argument.pointer)[i];
        result.push_back(pointer == nullptr ? std::optional<at::Tensor>() : tensor(pointer));
      }
      return result;
    }
    default:
      mismatch(element, argument.tag);
  }
}

// The value that the schema's type wants.
c10::IValue value(const us_argument& argument, const c10::TypePtr& type, int64_t width) {
  if (argument.tag == NONE) return {};
  if (const auto optional = type->cast<c10::OptionalType>()) return value(argument, optional->getElementType(), width);
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
      // As Python does: `x * 2` calls mul.Tensor with a number that does not change the result's type.
      if (argument.tag == INT) return at::native::wrapped_scalar_tensor(argument.integer);
      if (argument.tag == DOUBLE) return at::native::wrapped_scalar_tensor(argument.real);
      if (argument.tag == BOOL) return at::native::wrapped_scalar_tensor(argument.integer != 0);
      if (argument.tag != TENSOR) mismatch(type, argument.tag);
      return tensor(argument.pointer);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      if (argument.tag != INT) mismatch(type, argument.tag);
      return argument.integer;
    case c10::TypeKind::FloatType:
      return real(argument, type);
    case c10::TypeKind::BoolType:
      if (argument.tag != BOOL) mismatch(type, argument.tag);
      return argument.integer != 0;
    case c10::TypeKind::NumberType:
      if (argument.tag == INT) return argument.integer;
      if (argument.tag == BOOL) return argument.integer != 0;
      return real(argument, type);
    case c10::TypeKind::StringType:
      if (argument.tag != TEXT) mismatch(type, argument.tag);
      return std::string(static_cast<const char*>(argument.pointer), static_cast<size_t>(argument.count));
    case c10::TypeKind::DeviceObjType:
      if (argument.tag != DEVICE) mismatch(type, argument.tag);
      return c10::Device(static_cast<c10::DeviceType>(argument.integer), static_cast<c10::DeviceIndex>(argument.count));
    case c10::TypeKind::ListType:
      return list(argument, type->expectRef<c10::ListType>().getElementType(), width);
    default:
      mismatch(type, argument.tag);
  }
}

void hand_out(const at::Tensor& tensor, at::Tensor** outputs, int64_t capacity, int64_t& count) {
  if (count >= capacity) throw std::length_error("the operator returns more tensors than the graph names");
  outputs[count++] = tensor.defined() ? new at::Tensor(tensor) : nullptr;
}

}  // namespace

extern "C" {

void us_text_free(char* text) { std::free(text); }

// Prepares a call of operator `aten::NAME.OVERLOAD`. Argument i belongs to the schema's argument names[i]; where changing[i] is not 0 its
// value comes with each run. What is not named takes the schema's default.
char* us_step_new(const char* name, const char* overload, const char* const* names, const us_argument* arguments, const uint8_t* changing,
                  int64_t count, Step** step) {
  return guarded([&] {
    auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
    const auto& schema = handle.schema();
    auto result = std::make_unique<Step>(Step{handle, {}, {}});
    std::vector<size_t> positions(static_cast<size_t>(count), SIZE_MAX);
    for (size_t position = 0; position < schema.arguments().size(); position++) {
      const auto& wanted = schema.arguments()[position];
      int64_t given = 0;
      while (given < count && wanted.name() != names[given]) given++;
      if (given < count) {
        positions[static_cast<size_t>(given)] = position;
        result->stack.push_back(changing[given] != 0 ? c10::IValue() : value(arguments[given], wanted.type(), wanted.N().value_or(0)));
      } else if (wanted.default_value().has_value()) {
        result->stack.push_back(*wanted.default_value());
      } else {
        throw std::invalid_argument("argument `" + wanted.name() + "` is missing");
      }
    }
    for (int64_t given = 0; given < count; given++) {
      const size_t position = positions[static_cast<size_t>(given)];
      if (position == SIZE_MAX) throw std::invalid_argument(std::string("there is no argument `") + names[given] + "`");
      // Caps on sizes read arguments by place (growth.rs), so that places must be the schema's.
      if (given > 0 && position < positions[static_cast<size_t>(given) - 1]) throw std::invalid_argument("arguments are not in the schema's order");
      if (changing[given] != 0) result->changing.push_back(position);
    }
    *step = result.release();
  });
}

void us_step_free(Step* step) { delete step; }

// Runs a step with the values of its changing arguments; the tensors that it returns go to `outputs`, lists flattened, undefined ones as null.
char* us_step_run(const Step* step, const us_argument* arguments, int64_t count, at::Tensor** outputs, int64_t capacity, int64_t* returned) {
  *returned = 0;
  return guarded([&] {
    if (static_cast<size_t>(count) != step->changing.size()) throw std::invalid_argument("a step got a wrong number of arguments");
    torch::jit::Stack stack = step->stack;
    const auto& wanted = step->handle.schema().arguments();
    for (size_t i = 0; i < step->changing.size(); i++) {
      const auto& argument = wanted[step->changing[i]];
      stack[step->changing[i]] = value(arguments[i], argument.type(), argument.N().value_or(0));
    }
    step->handle.callBoxed(stack);
    for (const auto& result : stack) {
      if (result.isTensor()) hand_out(result.toTensor(), outputs, capacity, *returned);
      else if (result.isTensorList()) for (const at::Tensor& item : result.toTensorVector()) hand_out(item, outputs, capacity, *returned);
      else if (result.isNone()) hand_out(at::Tensor(), outputs, capacity, *returned);
      else throw std::invalid_argument("the operator returns something that is no tensor");
    }
  });
}

// torch::autograd::grad: what flows from `gradients` at `outputs` back to each of `inputs`, null where nothing does. Frees the tape.
char* us_gradients(const at::Tensor* const* outputs, const at::Tensor* const* gradients, int64_t output_count, const at::Tensor* const* inputs,
                   int64_t input_count, at::Tensor** results) {
  return guarded([&] {
    std::vector<at::Tensor> from, with, to;
    for (int64_t i = 0; i < output_count; i++) {
      from.push_back(*outputs[i]);
      with.push_back(*gradients[i]);
    }
    for (int64_t i = 0; i < input_count; i++) to.push_back(*inputs[i]);
    const auto found = torch::autograd::grad(from, to, with, /*retain_graph=*/false, /*create_graph=*/false, /*allow_unused=*/true);
    for (int64_t i = 0; i < input_count; i++) {
      const auto& gradient = found[static_cast<size_t>(i)];
      results[i] = gradient.defined() ? new at::Tensor(gradient) : nullptr;
    }
  });
}

// The folder that libtorch_cpu.so was loaded from.
char* us_libtorch_folder(char* folder, int64_t capacity) {
  return guarded([&] {
    void* library = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
    link_map* map = nullptr;
    if (library == nullptr || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) throw std::runtime_error(dlerror());
    std::string path = map->l_name;
    dlclose(library);
    path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
    if (path.size() + 1 > static_cast<size_t>(capacity)) throw std::length_error("the path of libtorch is too long");
    std::memcpy(folder, path.c_str(), path.size() + 1);
  });
}

}  // extern "C"
