// SPDX-License-Identifier: MIT
/// The seed corpus: small valid inputs of every kind, made by pam's own writers.
#pragma once

#include "fuzz/targets.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace pam::fuzz {

inline Bytes file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

/// One small tensor of each element type, a scalar, an empty one and a strided one.
inline StateDict seed_tensors() {
  StateDict tensors;
  for (const auto& row : pam::detail::kElementTypes) {
    tensors.emplace_back(row.safetensors, torch::arange(4).reshape({2, 2}).to(row.type));
  }
  tensors.emplace_back("scalar", torch::tensor(1.5));
  tensors.emplace_back("empty", torch::empty({0, 3}));
  tensors.emplace_back("strided", torch::arange(6).reshape({2, 3}).t());
  return tensors;
}

/// A tensor of each element type that fills its record of `pickle_records`.
inline StateDict full_records() {
  StateDict tensors;
  for (const auto& row : pam::detail::kElementTypes) {
    const auto count = static_cast<std::int64_t>(64 / c10::elementSize(row.type));
    tensors.emplace_back(row.safetensors, torch::zeros({2, count / 2}, row.type));
  }
  return tensors;
}

/// A dict of tensors over the records of `pickle_records`, in a checkpoint as Python writes it: OrderedDict, Parameter,
/// memo, numbers of every kind, nested containers, state for BUILD.
inline std::string seed_checkpoint() {
  using namespace std::string_literals;
  pam::detail::PickleWriter pickle;
  pickle.opcode("\x80\x02}q\x00("s).string("epoch").integer(3).string("large").integer(70'000).string("huge");
  pickle.integer(std::int64_t{1} << 40).string("loss").opcode("G\x3f\xe0\0\0\0\0\0\0"s).string("flags");
  pickle.opcode("(\x88\x89Nt")
      .string("list")
      .opcode(
          "](K\x01K\x02"
          "e")
      .string("set");
  pickle.global("__builtin__", "set")
      .opcode(
          "](K\x01"
          "e\x85R")
      .string("args")
      .global("argparse", "Namespace");
  pickle.opcode(")\x81}").string("lr").integer(1).opcode("sb").string("state_dict");
  pickle.global("collections", "OrderedDict").opcode(")Rq\x01(");
  for (const auto& row : pam::detail::kElementTypes) {
    const auto count = static_cast<std::int64_t>(64 / c10::elementSize(row.type));
    pickle.string(row.safetensors).global("torch._utils", "_rebuild_parameter").opcode("(");
    pickle.global("torch._utils", "_rebuild_tensor_v2").opcode("((").string("storage").global("torch", row.storage);
    pickle.string(std::to_string(&row - pam::detail::kElementTypes.data())).string("cpu").integer(count).opcode("tQ");
    pickle.integer(1)
        .integers({2, 3})
        .integers({1, 2})
        .opcode("\x89")
        .global("collections", "OrderedDict")
        .opcode(")RtR");
    pickle.opcode("\x88").global("collections", "OrderedDict").opcode(")RtR");
  }
  pickle.opcode("u}").string("_metadata").opcode("h\x01sbu.");
  return pickle.bytes();
}

/// The same kind of content with the opcodes of protocols 3 to 5: frames, counted memo, names from the stack, bytes,
/// sets, a path and a date; the weights lie under a name of their own beside averaged ones.
inline std::string seed_checkpoint5() {
  using namespace std::string_literals;
  pam::detail::PickleWriter pickle;
  const auto word = [&](const std::string& text) {
    pickle.opcode("\x8c").opcode(std::string(1, static_cast<char>(text.size()))).opcode(text).opcode("\x94");
  };
  const auto global = [&](const std::string& module, const std::string& name) {
    word(module), word(name);
    pickle.opcode("\x93\x94");
  };
  const auto tensor = [&](const std::string& name, const std::string& storage, const std::string& key) {
    word(name), global("torch._utils", "_rebuild_tensor_v2");
    pickle.opcode("(("), word("storage"), global("torch", storage), word(key), word("cpu");
    pickle.integer(8).opcode("tQ").integer(0).integers({2, 2}).integers({2, 1}).opcode("\x89");
    global("collections", "OrderedDict");
    pickle.opcode(")RtR");
  };
  pickle.opcode("\x80\x05\x95\x04\0\0\0\0\0\0\0}\x94("s);
  word("bytes"), pickle.opcode("C\x02zzB\x02\0\0\0zz\x86"s);
  word("long");
  pickle.opcode("\x8d\x02\0\0\0\0\0\0\0zz\x8e\x01\0\0\0\0\0\0\0z\x96\x01\0\0\0\0\0\0\0z\x87"s);
  word("sets"), pickle.opcode("\x8f\x94(K\x01K\x02\x90(K\x03\x91\x86");
  word("path"), global("pathlib", "PosixPath"), word("runs"), pickle.opcode("\x85R");
  word("saved"), global("datetime", "datetime"), pickle.opcode("C\x0azzzzzzzzzz\x85R");
  word("net"), pickle.opcode("}("), tensor("w", "DoubleStorage", "0"), tensor("b", "LongStorage", "4");
  pickle.opcode("u");
  word("ema"), pickle.opcode("}("), tensor("w", "DoubleStorage", "0"), pickle.opcode("uu.");
  return pickle.bytes();
}

inline std::vector<Bytes> seed_volumes(const std::filesystem::path& folder) {
  std::vector<Bytes> files;
  for (const auto type : {torch::kUInt8, torch::kInt16, torch::kFloat32, torch::kFloat64}) {
    for (const auto* name : {"a.nii", "a.nii.gz"}) {
      write_nifti(folder / name, torch::arange(24).reshape({2, 3, 4}).to(type));
      files.push_back(file_bytes(folder / name));
    }
  }
  write_nifti(folder / "a.nii", torch::arange(24).reshape({2, 3, 2, 2}).to(torch::kInt32));
  files.push_back(file_bytes(folder / "a.nii"));
  auto scaled = files.front();
  const float slope = 2, intercept = -1;
  std::memcpy(scaled.data() + 112, &slope, 4);  // scl_slope
  std::memcpy(scaled.data() + 116, &intercept, 4);
  files.push_back(scaled);
  return files;
}

/// The seeds of `kReaders`, by target. `folder` is where files are made on the way; it is left as it was.
inline std::map<std::string, std::vector<Bytes>> reader_seeds(const std::filesystem::path& folder) {
  std::map<std::string, std::vector<Bytes>> all;
  const auto text = [](const std::string& content) { return Bytes(content.begin(), content.end()); };
  const auto part = [](const StateDict& tensors, std::size_t count) {
    return StateDict(tensors.begin(), tensors.begin() + static_cast<std::ptrdiff_t>(count));
  };
  const auto tensors = seed_tensors();
  const auto scratch = folder / "seed.tmp";
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, tensors.size()}) {
    const Metadata metadata = count == 1 ? Metadata{} : Metadata{{"pam.net", "{\"name\":\"fpa\"}"}};
    write_safetensors(scratch, part(tensors, count), metadata);
    all["safetensors"].push_back(file_bytes(scratch));
    write_torch_zip(scratch, part(tensors, count), metadata);
    all["zip"].push_back(file_bytes(scratch));
    all["pickle"].push_back(
        text(pam::detail::pickle_state_dict(part(full_records(), std::min<std::size_t>(count, 10)))));
  }
  std::filesystem::remove(scratch);
  all["pickle"].push_back(text(seed_checkpoint()));
  all["pickle"].push_back(text(seed_checkpoint5()));
  all["nifti"] = seed_volumes(folder);
  std::filesystem::remove(folder / "a.nii");
  std::filesystem::remove(folder / "a.nii.gz");
  return all;
}

}  // namespace pam::fuzz
