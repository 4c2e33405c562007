// Reads a TorchScript file and writes what it holds as JSON: objects with their attributes, and the graphs of their methods; runs nothing of it but what
// libtorch's own reader runs (`__setstate__`). Knows no allow list and no network. It belongs in a process of its own: the reader executes what a file asks for.
//
// The bytes of large tensors are never handed to libtorch: where it reads one of the ranges that the caller names, nothing is written. The memory that was to be
// filled is noted, so that a tensor is known by the place of its storage in the file. What was computed while the file was read has no place.

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/serialization/import.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

// Nested lists in attributes and blocks in graphs; real files stay below 20.
constexpr int DEPTH = 30;
// Single numbers are read: traces compute sizes with them. Everything longer stays in the file.
constexpr uint64_t READ_BYTES = 16;

class Reader : public caffe2::serialize::ReadAdapterInterface {
 public:
  Reader(int file, size_t size, const uint64_t* starts, const uint64_t* lengths, size_t count) : file_(file), size_(size) {
    for (size_t i = 0; i < count; i++) hidden_[starts[i]] = lengths[i];
  }

  size_t size() const override { return size_; }

  size_t read(uint64_t position, void* buffer, size_t length, const char*) const override {
    const auto hidden = hidden_.find(position);
    if (hidden != hidden_.end() && hidden->second == length) {
      places_[buffer] = position;
      if (length > READ_BYTES) {
        // Memory that is let go of and taken again does not begin like this.
        const uint64_t mark[] = {position, nonce_};
        std::memcpy(buffer, mark, sizeof mark);
        return length;
      }
    }
    size_t done = 0;
    while (done < length) {
      const ssize_t got = pread(file_, static_cast<char*>(buffer) + done, length - done, static_cast<off_t>(position + done));
      if (got <= 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  // Where in the file the bytes of this storage lie; null if they were computed.
  const uint64_t* place(const void* storage) const {
    const auto found = places_.find(storage);
    if (found == places_.end()) return nullptr;
    const uint64_t mark[] = {found->second, nonce_};
    const bool is_marked = hidden_.at(found->second) <= READ_BYTES || std::memcmp(storage, mark, sizeof mark) == 0;
    return is_marked ? &found->second : nullptr;
  }

 private:
  int file_;
  size_t size_;
  uint64_t nonce_ = std::random_device()();
  std::unordered_map<uint64_t, uint64_t> hidden_;
  mutable std::unordered_map<const void*, uint64_t> places_;
};

// The document, and what is still to be written: objects and functions are numbered as they are met.
class Writer {
 public:
  Writer(const Reader& reader, size_t capacity) : reader_(reader), capacity_(capacity) {}

  std::string write(const torch::jit::Module& module) {
    object(module._ivalue());
    text_ += "{\"objects\":[";
    for (size_t i = 0; i < objects_.size(); i++) {
      comma(i);
      describe(*objects_[i]);
    }
    text_ += "],\"functions\":[";
    for (size_t i = 0; i < functions_.size(); i++) {
      comma(i);
      describe(*functions_[i]);
    }
    text_ += "],\"tensors\":[";
    for (size_t i = 0; i < tensors_.size(); i++) {
      comma(i);
      describe(tensors_[i]);
    }
    text_ += "],\"defaults\":";
    defaults(module);
    text_ += '}';
    return std::move(text_);
  }

 private:
  // Objects may refer to objects, and functions to tensors: each list grows while it is written, and those written after it are whole by then. A function may
  // meet no new object: constants that are objects are marked as unsupported.
  size_t object(const c10::intrusive_ptr<c10::ivalue::Object>& object) {
    const auto [found, is_new] = object_numbers_.emplace(object.get(), objects_.size());
    if (is_new) objects_.push_back(object);
    return found->second;
  }

  size_t function(torch::jit::Function* function) {
    const auto [found, is_new] = function_numbers_.emplace(function, functions_.size());
    if (is_new) functions_.push_back(function);
    return found->second;
  }

  // What `forward` takes after the image has, up to the first that has none.
  void defaults(const torch::jit::Module& module) {
    text_ += '[';
    const auto method = module.find_method("forward");
    const auto arguments = method.has_value() ? method->function().getSchema().arguments() : std::vector<c10::Argument>();
    for (size_t i = 2; i < arguments.size() && arguments[i].default_value().has_value(); i++) {
      comma(i - 2);
      value(*arguments[i].default_value(), 0, /*is_constant=*/true);
    }
    text_ += ']';
  }

  void describe(const c10::ivalue::Object& object) {
    const auto& type = *object.type();
    text_ += "{\"class\":";
    string(type.name().has_value() ? type.name()->qualifiedName() : "");
    text_ += ",\"attributes\":[";
    for (size_t i = 0; i < type.numAttributes(); i++) {
      comma(i);
      text_ += '[';
      string(type.getAttributeName(i));
      text_ += ',';
      value(object.getSlot(i), 0);
      text_ += ']';
    }
    text_ += "],\"parameters\":[";
    size_t count = 0;
    for (size_t i = 0; i < type.numAttributes(); i++) {
      if (!type.is_parameter(i)) continue;
      comma(count++);
      string(type.getAttributeName(i));
    }
    text_ += "],\"methods\":[";
    count = 0;
    for (torch::jit::Function* method : type.methods()) {
      if (torch::jit::tryToGraphFunction(*method) == nullptr) continue;
      comma(count++);
      text_ += '[';
      string(method->name());
      text_ += ',';
      number(function(method));
      text_ += ']';
    }
    text_ += "]}";
    check();
  }

  void describe(torch::jit::Function& function) {
    const auto& graph = *torch::jit::toGraphFunction(function).graph();
    text_ += "{\"name\":";
    string(function.qualname().qualifiedName());
    text_ += ",\"body\":";
    block(*graph.block(), 0);
    text_ += '}';
  }

  void describe(const at::Tensor& tensor) {
    text_ += "{\"dtype\":";
    number(static_cast<int64_t>(tensor.scalar_type()));
    text_ += ",\"sizes\":";
    list(tensor.sizes());
    text_ += ",\"strides\":";
    list(tensor.strides());
    text_ += ",\"offset\":";
    number(tensor.storage_offset());
    text_ += ",\"place\":";
    const uint64_t* place = reader_.place(tensor.storage().data());
    if (place == nullptr) text_ += "null";
    else number(*place);
    const bool is_known = place != nullptr && tensor.numel() == 1 && tensor.storage().nbytes() <= READ_BYTES;
    if (is_known && c10::isIntegralType(tensor.scalar_type(), /*includeBool=*/true)) {
      text_ += ",\"number\":";
      number(tensor.item<int64_t>());
    } else if (is_known && c10::isFloatingType(tensor.scalar_type())) {
      text_ += ",\"number\":";
      real(tensor.item<double>());
    }
    text_ += '}';
    check();
  }

  void block(const torch::jit::Block& block, int depth) {
    if (depth > DEPTH) throw std::length_error("control flow is nested too deeply");
    text_ += "{\"inputs\":";
    values(block.inputs());
    text_ += ",\"nodes\":[";
    size_t count = 0;
    for (const torch::jit::Node* node : block.nodes()) {
      comma(count++);
      this->node(*node, depth);
    }
    text_ += "],\"outputs\":";
    values(block.outputs());
    text_ += '}';
  }

  void node(const torch::jit::Node& node, int depth) {
    text_ += "{\"kind\":";
    string(node.kind().toQualString());
    text_ += ",\"inputs\":";
    values(node.inputs());
    text_ += ",\"outputs\":";
    values(node.outputs());
    if (node.kind() == c10::prim::Constant) {
      constant(node);
    } else if (node.kind() == c10::prim::CallFunction) {
      text_ += ",\"function\":";
      number(function(node.inputs().at(0)->type()->expectRef<c10::FunctionType>().function()));
    } else if (node.hasAttribute(c10::attr::name) && node.kindOf(c10::attr::name) == torch::jit::AttributeKind::s) {
      text_ += ",\"name\":";
      string(node.s(c10::attr::name));
    }
    const c10::FunctionSchema* schema = node.maybeSchema();
    if (schema != nullptr && node.kind().is_aten()) {
      text_ += ",\"overload\":";
      string(schema->overload_name());
      text_ += ",\"names\":[";
      for (size_t i = 0; i < schema->arguments().size(); i++) {
        comma(i);
        string(schema->arguments()[i].name());
      }
      text_ += "],\"returns\":[";
      for (size_t i = 0; i < schema->returns().size(); i++) {
        comma(i);
        string(schema->returns()[i].type()->str());
      }
      text_ += ']';
    }
    if (!node.blocks().empty()) {
      text_ += ",\"blocks\":[";
      size_t count = 0;
      for (const torch::jit::Block* inner : node.blocks()) {
        comma(count++);
        block(*inner, depth + 1);
      }
      text_ += ']';
    }
    if (const auto line = node.sourceRange().file_line_col()) {
      text_ += ",\"source\":";
      string(std::get<0>(*line) + ":" + std::to_string(std::get<1>(*line)));
    }
    text_ += '}';
    check();
  }

  void constant(const torch::jit::Node& node) {
    text_ += ",\"value\":";
    if (node.output()->type()->kind() == c10::TypeKind::FunctionType) {
      text_ += "null";
    } else if (const auto found = torch::jit::toIValue(node.output())) {
      value(*found, 0, /*is_constant=*/true);
    } else {
      unsupported(node.output()->type()->str());
    }
  }

  void value(const c10::IValue& value, int depth, bool is_constant = false) {
    if (depth > DEPTH) throw std::length_error("a value is nested too deeply");
    if (value.isNone() || (value.isTensor() && !value.toTensor().defined())) {
      text_ += "null";
    } else if (value.isTensor() && value.toTensor().layout() == at::kStrided && value.toTensor().device().is_cpu()) {
      text_ += "{\"tensor\":";
      number(tensors_.size());
      tensors_.push_back(value.toTensor());
      text_ += '}';
    } else if (value.isBool()) {
      text_ += value.toBool() ? "true" : "false";
    } else if (value.isInt()) {
      text_ += std::to_string(value.toInt());
    } else if (value.isDouble()) {
      real(value.toDouble());
    } else if (value.isString()) {
      string(value.toStringRef());
    } else if (value.isList()) {
      items("{\"list\":[", value.toListRef(), depth, is_constant);
    } else if (value.isTuple()) {
      items("{\"tuple\":[", value.toTupleRef().elements().asArrayRef(), depth, is_constant);
    } else if (value.isGenericDict()) {
      text_ += "{\"dict\":[";
      size_t count = 0;
      for (const auto& entry : value.toGenericDict()) {
        comma(count++);
        text_ += '[';
        this->value(entry.key(), depth + 1, is_constant);
        text_ += ',';
        this->value(entry.value(), depth + 1, is_constant);
        text_ += ']';
      }
      text_ += "]}";
    } else if (value.isDevice()) {
      text_ += "{\"device\":null}";
    } else if (value.isEnum()) {
      string(value.toEnumHolder()->qualifiedClassName() + "." + value.toEnumHolder()->name());
    } else if (value.isObject() && !is_constant) {
      text_ += "{\"object\":";
      number(object(value.toObject()));
      text_ += '}';
    } else {
      unsupported(value.tagKind());
    }
    check();
  }

  void items(const char* open, c10::ArrayRef<c10::IValue> items, int depth, bool is_constant) {
    text_ += open;
    for (size_t i = 0; i < items.size(); i++) {
      comma(i);
      value(items[i], depth + 1, is_constant);
    }
    text_ += "]}";
  }

  void unsupported(const std::string& kind) {
    text_ += "{\"unsupported\":";
    string(kind);
    text_ += '}';
  }

  void values(c10::ArrayRef<const torch::jit::Value*> values) {
    text_ += '[';
    for (size_t i = 0; i < values.size(); i++) {
      comma(i);
      number(values[i]->unique());
    }
    text_ += ']';
  }

  void list(c10::IntArrayRef numbers) {
    text_ += '[';
    for (size_t i = 0; i < numbers.size(); i++) {
      comma(i);
      number(numbers[i]);
    }
    text_ += ']';
  }

  template <class N>
  void number(N number) {
    text_ += std::to_string(number);
  }

  // As text: JSON has no infinities.
  void real(double value) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "{\"float\":\"%.17g\"}", value);
    text_ += digits;
  }

  void comma(size_t index) {
    if (index > 0) text_ += ',';
  }

  void string(const std::string& string) {
    text_ += '"';
    for (const char letter : string) {
      const auto byte = static_cast<unsigned char>(letter);
      if (letter == '"' || letter == '\\') {
        text_ += '\\';
        text_ += letter;
      } else if (byte < 0x20) {
        char code[8];
        std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(byte));
        text_ += code;
      } else {
        text_ += letter;
      }
    }
    text_ += '"';
  }

  void check() const {
    if (text_.size() > capacity_) throw std::length_error("the network's description is longer than " + std::to_string(capacity_) + " bytes");
  }

  const Reader& reader_;
  size_t capacity_;
  std::string text_;
  std::vector<c10::intrusive_ptr<c10::ivalue::Object>> objects_;
  std::unordered_map<const void*, size_t> object_numbers_;
  std::vector<torch::jit::Function*> functions_;
  std::unordered_map<const void*, size_t> function_numbers_;
  std::vector<at::Tensor> tensors_;
};

char* copy(const std::string& text) {
  char* result = static_cast<char*>(std::malloc(text.size() + 1));
  if (result != nullptr) std::memcpy(result, text.c_str(), text.size() + 1);
  return result;
}

}  // namespace

extern "C" {

// Reads the file behind the descriptor, of `size` bytes, whose tensors' bytes lie in the ranges. Hands out the JSON, at most `capacity` bytes, or returns an error;
// the caller frees either with us_text_free.
char* us_torchscript_read(int file, uint64_t size, const uint64_t* starts, const uint64_t* lengths, uint64_t count, uint64_t capacity, char** json) {
  *json = nullptr;
  try {
    const auto reader = std::make_shared<Reader>(file, size, starts, lengths, count);
    torch::jit::Module module = torch::jit::load(std::shared_ptr<caffe2::serialize::ReadAdapterInterface>(reader), c10::Device(c10::kCPU));
    module.eval();
    *json = copy(Writer(*reader, capacity).write(module));
    return *json == nullptr ? copy("out of memory") : nullptr;
  } catch (const c10::Error& error) {
    return copy(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return copy(error.what());
  } catch (...) {
    return copy("an unknown C++ exception");
  }
}

}  // extern "C"
