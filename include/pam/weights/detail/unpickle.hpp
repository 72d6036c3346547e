// SPDX-License-Identifier: MIT
/// A restricted unpickler: reads the pickles that `torch.save` writes (protocols 2 to 5) and executes nothing. Opcodes
/// and names are allow-lists, the same for every protocol; every read, count and index is bounded. It mirrors what
/// Python's own torch/_weights_only_unpickler.py accepts, and adds the opcodes that protocols 3 to 5 write in their
/// place; the opcodes are those of Python's Lib/pickletools.py.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/detail/pickle_stack.hpp>
#include <pam/weights/detail/pickle_value.hpp>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace pam::detail {

/// Runs one pickle. Use: `PickleData data = Unpickler(file, bytes, size).run();`
class Unpickler : PickleStack {
 public:
  /// `file` is what messages call the pickle; the bytes must outlive the result, whose strings lie in them.
  Unpickler(std::string file, const std::uint8_t* data, std::size_t size) : PickleStack(std::move(file), data, size) {
    data_.text = text_;
  }

  /// Throws `Error` for anything outside the allow-lists or bounds, and for a damaged pickle.
  PickleData run() {
    for (;;) {
      const auto opcode = read<std::uint8_t>();
      if (opcode == '.') break;
      if (!push_constant(opcode) && !use_memo(opcode) && !build_container(opcode)) call(opcode);
    }
    data_.root = pop();
    return std::move(data_);
  }

 private:
  void count_items(std::size_t added) {
    items_ += added;
    need(items_ <= kPickleItems, "too many values");
  }
  PickleValue container(Kind kind, std::vector<PickleValue> items) {
    need(data_.items.size() < kPickleContainers, "too many containers");
    count_items(items.size());
    PickleValue value;
    value.kind = kind;
    value.index = static_cast<std::uint32_t>(data_.items.size());
    data_.items.push_back(std::move(items));
    return value;
  }

  // ---- opcodes -------------------------------------------------------------------------------------------------
  /// Long integers: little-endian two's complement. Longer than 8 bytes is no size, count or index of ours.
  bool push_long() {
    const auto length = read<std::uint8_t>();
    const auto bytes = take(length);
    if (length > 8) return push_int(0, Kind::kOpaque);
    std::uint64_t number = length > 0 && (bytes[length - 1] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(&number, bytes.data(), length);
    return push_int(static_cast<std::int64_t>(number));
  }

  bool push_constant(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const auto protocol = read<std::uint8_t>();
        check(
            protocol >= 2 && protocol <= 5,
            "{}: is written with pickle protocol {}; pam reads protocols 2 (torch.save's default) to 5: save it again "
            "without pickle_protocol, or run export_weights.py",
            file_, protocol);
        return true;
      }
      case 0x95:  // FRAME: the bytes of the opcodes that follow; only Python's reader needs to know
        need(read<std::uint64_t>() <= text_.size() - position_, "a frame is cut short");
        return true;
      case 'N':
        return push_int(0, Kind::kNone);
      case 0x88:
        return push_int(1, Kind::kBool);
      case 0x89:
        return push_int(0, Kind::kBool);
      case 'J':
        return push_int(read<std::int32_t>());
      case 'K':
        return push_int(read<std::uint8_t>());
      case 'M':
        return push_int(read<std::uint16_t>());
      case 0x8a:
        return push_long();
      case 'G':
        take(8);
        return push_int(0, Kind::kFloat);  // weights do not need floats of the pickle
      case 'X':
        return push_string(read<std::uint32_t>());
      case 'U':
      case 0x8c:  // SHORT_BINUNICODE
        return push_string(read<std::uint8_t>());
      case 0x8d:  // BINUNICODE8
        return push_string(read_size());
      case 'C':
        return push_bytes(read<std::uint8_t>());
      case 'B':
        return push_bytes(read<std::uint32_t>());
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        return push_bytes(read_size());
      case 0x8f:  // EMPTY_SET
        return push_int(0, Kind::kOpaque);
      default:
        return false;
    }
  }
  /// A length of 8 bytes: more than the pickle holds is an error, so that what fits also fits 32 bits' worth of memory.
  std::size_t read_size() {
    const auto length = read<std::uint64_t>();
    need(length <= text_.size() - position_, "a value is cut short");
    return static_cast<std::size_t>(length);
  }
  /// Bytes (dates, numpy's scalars): weights do not need them.
  bool push_bytes(std::size_t length) {
    take(length);
    return push_int(0, Kind::kOpaque);
  }

  bool use_memo(std::uint8_t opcode) {
    switch (opcode) {
      case 'q':
        return remember(read<std::uint8_t>());
      case 'r':
        return remember(read<std::uint32_t>());
      case 'h':
        return recall(read<std::uint8_t>());
      case 'j':
        return recall(read<std::uint32_t>());
      case 0x94:  // MEMOIZE
        return remember_next();
      default:
        return false;
    }
  }

  bool push_tuple(std::size_t count) {
    std::vector<PickleValue> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return push(container(Kind::kTuple, std::move(items)));
  }
  /// Appends to the list or dict below; to an opaque value (such as a set) without effect.
  void extend(const std::vector<PickleValue>& values, Kind kind) {
    const auto& target = top();
    if (target.kind == Kind::kOpaque) return;
    need(target.kind == kind,
         kind == Kind::kList ? "an item for something that is no list" : "a key for something that is no dict");
    need(kind == Kind::kList || values.size() % 2 == 0, "a key without a value");
    count_items(values.size());
    auto& items = data_.items[target.index];
    items.insert(items.end(), values.begin(), values.end());
  }
  bool build_container(std::uint8_t opcode) {
    switch (opcode) {
      case '(':
        mark();
        return true;
      case '}':
        return push(container(Kind::kDict, {}));
      case ']':
        return push(container(Kind::kList, {}));
      case ')':
        return push(container(Kind::kTuple, {}));
      case 't':
        return push(container(Kind::kTuple, pop_mark()));
      case 0x85:
        return push_tuple(1);
      case 0x86:
        return push_tuple(2);
      case 0x87:
        return push_tuple(3);
      case 'a': {
        const auto value = pop();
        extend({value}, Kind::kList);
        return true;
      }
      case 'e':
        extend(pop_mark(), Kind::kList);
        return true;
      case 's': {
        const auto value = pop(), key = pop();
        extend({key, value}, Kind::kDict);
        return true;
      }
      case 'u':
        extend(pop_mark(), Kind::kDict);
        return true;
      case 0x90:  // ADDITEMS
        pop_mark();
        need(top().kind == Kind::kOpaque, "an item for something that is no set");
        return true;
      case 0x91:  // FROZENSET
        pop_mark();
        return push_int(0, Kind::kOpaque);
      default:
        return false;
    }
  }

  bool call(std::uint8_t opcode) {
    switch (opcode) {
      case 'c': {
        const auto module = line(), name = line();
        return push_global(module, name);
      }
      case 0x93: {  // STACK_GLOBAL
        const auto name = pop(), module = pop();
        need(name.kind == Kind::kString && module.kind == Kind::kString, "a name that is no text");
        return push_global(data_.string(module), data_.string(name));
      }
      case 'Q':
        return push_storage(pop());
      case 'R': {
        const auto arguments = pop(), callee = pop();
        return push(reduce(callee, arguments));
      }
      case 0x81: {  // NEWOBJ: cls.__new__(cls, *args)
        const auto arguments = pop(), type = pop();
        return push(reduce(type, arguments));
      }
      case 'b': {  // BUILD: state for an object: OrderedDict's `_metadata`, attributes of parameters; ignored
        pop();
        const auto kind = top().kind;
        need(kind == Kind::kDict || kind == Kind::kOpaque || kind == Kind::kTensor,
             "a state for something without one");
        return true;
      }
      default:
        fail(
            "{}: uses the pickle opcode 0x{:02x} at byte {}, which torch.save does not write for weights; it may be "
            "damaged or made by other software: run export_weights.py on it in Python",
            file_, opcode, position_ - 1);
    }
  }

  bool push_global(std::string_view module, std::string_view name) {
    const auto found = find_pickle_global(module, name);
    check(
        found.has_value(),
        "{}: holds a Python object of the type {}.{}, not just tensors. pam runs no code from files, so it cannot load "
        "whole pickled modules or objects: run export_weights.py on it in Python, or save model.state_dict()",
        file_, printable(module), printable(name));
    PickleValue value;
    value.kind = Kind::kGlobal;
    value.name = found->meaning;
    value.number = found->type == nullptr ? -1 : found->type - kElementTypes.data();
    return push(value);
  }

  // ---- what allowed names do -----------------------------------------------------------------------------------
  const std::vector<PickleValue>& arguments_of(const PickleValue& tuple) {
    need(tuple.kind == Kind::kTuple, "arguments that are no tuple");
    return data_.items[tuple.index];
  }
  /// ("storage", class, key, device, count)
  bool push_storage(const PickleValue& id) {
    const auto& fields = arguments_of(id);
    need(fields.size() >= 5 && data_.string(fields[0]) == "storage" && fields[1].kind == Kind::kGlobal &&
             fields[1].name == PickleName::kStorage && fields[2].kind == Kind::kString &&
             fields[4].kind == Kind::kInt && fields[4].number >= 0,
         "a storage that is not described as torch.save does");
    need(data_.storages.size() < kPickleTensors, "too many storages");
    PickleValue value;
    value.kind = Kind::kStorage;
    value.index = static_cast<std::uint32_t>(data_.storages.size());
    data_.storages.push_back({data_.string(fields[2]), type_of(fields[1]), fields[4].number});
    return push(value);
  }
  static const ElementType* type_of(const PickleValue& global) {
    return global.number < 0 ? nullptr : &kElementTypes[static_cast<std::size_t>(global.number)];
  }
  std::vector<std::int64_t> integers(const PickleValue& tuple) {
    const auto& items = arguments_of(tuple);
    need(items.size() <= 64, "a tensor of more than 64 dimensions");
    std::vector<std::int64_t> numbers;
    for (const auto& item : items) {
      need(item.kind == Kind::kInt && item.number >= 0, "a size or stride that is no count");
      numbers.push_back(item.number);
    }
    return numbers;
  }
  PickleValue rebuild_tensor(PickleName function, const std::vector<PickleValue>& arguments) {
    const std::size_t needed = function == PickleName::kRebuildTensorType ? 7 : 4;
    need(arguments.size() >= needed && arguments[0].kind == Kind::kStorage && arguments[1].kind == Kind::kInt &&
             arguments[1].number >= 0,
         "a tensor that is not described as torch.save does");
    need(data_.tensors.size() < kPickleTensors, "too many tensors");
    PickledTensor tensor;
    tensor.storage = arguments[0].index;
    tensor.type = data_.storages[tensor.storage].type;
    tensor.offset = arguments[1].number;
    tensor.sizes = integers(arguments[2]);
    tensor.strides = integers(arguments[3]);
    need(tensor.sizes.size() == tensor.strides.size(), "a tensor with sizes and strides of different lengths");
    if (function == PickleName::kRebuildTensorType) {
      need(arguments[6].kind == Kind::kGlobal && arguments[6].name == PickleName::kType, "a tensor of no type");
      tensor.type = type_of(arguments[6]);
    }
    PickleValue value;
    value.kind = Kind::kTensor;
    value.index = static_cast<std::uint32_t>(data_.tensors.size());
    data_.tensors.push_back(std::move(tensor));
    return value;
  }
  PickleValue reduce(const PickleValue& callee, const PickleValue& arguments_tuple) {
    need(callee.kind == Kind::kGlobal, "a call of something that is no known name");
    const auto& arguments = arguments_of(arguments_tuple);
    PickleValue opaque;
    opaque.kind = Kind::kOpaque;
    switch (callee.name) {
      case PickleName::kDict:
        if (!arguments.empty() && arguments[0].kind == Kind::kDict) {
          return container(Kind::kDict, data_.items[arguments[0].index]);
        }
        return container(Kind::kDict, {});
      case PickleName::kRebuildTensor:
      case PickleName::kRebuildTensorType:
        return rebuild_tensor(callee.name, arguments);
      case PickleName::kRebuildSubclass:
        need(arguments.size() >= 3 && arguments[0].kind == Kind::kGlobal && arguments[1].kind == Kind::kGlobal &&
                 (arguments[0].name == PickleName::kRebuildTensor ||
                  arguments[0].name == PickleName::kRebuildTensorType),
             "a tensor subclass that is not described as torch.save does");
        return rebuild_tensor(arguments[0].name, arguments_of(arguments[2]));
      case PickleName::kRebuildParameter:
      case PickleName::kParameter:
        need(!arguments.empty() && arguments[0].kind == Kind::kTensor, "a parameter without its tensor");
        return arguments[0];
      case PickleName::kSize:
        need(arguments.size() == 1 && arguments[0].kind == Kind::kTuple, "a size that is no tuple");
        return arguments[0];
      default:
        return opaque;
    }
  }

  std::size_t items_ = 0;
  PickleData data_;
};

}  // namespace pam::detail
