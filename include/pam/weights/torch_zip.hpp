// SPDX-License-Identifier: MIT
/// Python's `.pt` and `.pth` files (`torch.save` since PyTorch 1.6): a zip archive with a pickle (`data.pkl`) and a
/// record per storage (`data/0`, …). Reading executes nothing; writing gives a file that
/// `torch.load(weights_only=True)` opens as a plain dict. (LibTorch's own `pickle_load` fails on every OrderedDict.)
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/weights/detail/mapped_tensor.hpp>
#include <pam/weights/detail/pickle_writer.hpp>
#include <pam/weights/detail/safetensors_header.hpp>
#include <pam/weights/detail/unpickle.hpp>
#include <pam/weights/detail/zip_reader.hpp>
#include <pam/weights/detail/zip_writer.hpp>

#include <array>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pam {
namespace detail {

/// The keys under which checkpoints hold the weights, in the order in which they are tried.
inline constexpr std::array<std::string_view, 4> kWeightSections{"state_dict", "model_state_dict", "model",
                                                                 "network_weights"};

/// Makes the tensors of a pickle from the archive's records. Each storage is mapped (or, where unaligned, copied) once,
/// so tensors that shared one in Python share it here.
class PickledTensors {
 public:
  /// `folder` is the archive's top folder, with its slash.
  PickledTensors(const ZipArchive& archive, std::string folder, const PickleData& data)
      : archive_(archive), file_(archive.bytes()->name()), folder_(std::move(folder)), data_(data) {}

  torch::Tensor make(const std::string& name, const PickledTensor& tensor) {
    const auto& storage = data_.storages[tensor.storage];
    check(tensor.type != nullptr && storage.type != nullptr,
          "{}: tensor '{}' has an element type that pam does not read; convert it in Python first", file_,
          printable(name));
    auto base = storage_of(name, storage);
    if (base.scalar_type() != tensor.type->type) base = as_type(name, base, *tensor.type);
    if (check_inside(name, tensor, base.numel())) return torch::empty(tensor.sizes, base.options());
    return base.as_strided(tensor.sizes, tensor.strides, tensor.offset);
  }

 private:
  torch::Tensor storage_of(const std::string& name, const PickledStorage& storage) {
    const auto found = storages_.find(storage.key);
    if (found != storages_.end()) {
      check(found->second.scalar_type() == storage.type->type && found->second.numel() == storage.count,
            "{}: two tensors read the record data/{} as different types; the file is damaged", file_,
            printable(storage.key));
      return found->second;
    }
    const auto* record = archive_.find(folder_ + "data/" + std::string(storage.key));
    check(record != nullptr, "{}: the record data/{} of tensor '{}' is missing; the file is damaged", file_,
          printable(storage.key), printable(name));
    const auto element = c10::elementSize(storage.type->type);
    check(record->size % element == 0 && record->size / element == static_cast<std::uint64_t>(storage.count),
          "{}: the record data/{} of tensor '{}' has {} bytes, but {} elements of {} bytes are expected; the file is "
          "damaged",
          file_, printable(storage.key), printable(name), record->size, storage.count, element);
    auto* bytes = archive_.data(*record);
    if (storage.type->type == torch::kBool) check_bools(file_, name, bytes, record->size);
    auto tensor = make_tensor(archive_.bytes(), bytes, record->size, *storage.type,
                              {static_cast<std::uint64_t>(storage.count)}, /*alignment=*/8);
    storages_.emplace(storage.key, tensor);
    return tensor;
  }

  /// An untyped storage (bytes) as elements of `type`.
  torch::Tensor as_type(const std::string& name, const torch::Tensor& bytes, const ElementType& type) const {
    const auto element = static_cast<std::int64_t>(c10::elementSize(type.type));
    check(bytes.scalar_type() == torch::kUInt8 && bytes.numel() % element == 0,
          "{}: tensor '{}' has another element type than its storage; the file is damaged", file_, printable(name));
    if (type.type == torch::kBool) {
      check_bools(file_, name, bytes.data_ptr<std::uint8_t>(), static_cast<std::uint64_t>(bytes.numel()));
    }
    return bytes.view(type.type);
  }

  /// Throws unless every element of the strided view lies within `available` elements, without overflow on the way.
  /// True where the tensor is empty.
  bool check_inside(const std::string& name, const PickledTensor& tensor, std::int64_t available) const {
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
    bool empty = false, inside = tensor.offset <= available;
    std::int64_t last = tensor.offset, count = 1;
    for (std::size_t i = 0; i < tensor.sizes.size() && inside; ++i) {
      const auto size = std::max<std::int64_t>(tensor.sizes[i], 1), stride = tensor.strides[i];
      empty = empty || tensor.sizes[i] == 0;
      inside = count <= kMost / 8 / size && (size == 1 || stride <= (kMost - last) / (size - 1));
      if (inside) {
        count *= size;
        last += (size - 1) * stride;
      }
    }
    check(
        inside && (empty || last < available),
        "{}: tensor '{}' (shape [{}], strides [{}], offset {}) reaches beyond its storage of {} elements; the file is "
        "damaged",
        file_, printable(name), joined(tensor.sizes, ", "), joined(tensor.strides, ", "), tensor.offset, available);
    return empty;
  }

  const ZipArchive& archive_;
  std::string file_, folder_;
  const PickleData& data_;
  std::map<std::string_view, torch::Tensor> storages_;
};

/// The archive's top folder with its slash: what precedes "data.pkl" in the one entry of that name.
std::string torch_folder(const ZipArchive& archive);

/// The keys of a dict, for messages.
std::string dict_keys(const PickleData& data, const PickleValue& dict);

/// A dict of weights within a pickled value.
struct WeightsSection {
  PickleValue dict;
  std::string name;                 ///< its key, with those above it: "checkpoint.model"; empty: the whole value
  std::vector<std::string> others;  ///< keys beside it that hold weights too
};

/// Whether a section of this name holds averaged weights: "ema", "model_ema", "state_dict_ema", "swa_model".
bool names_averaged_weights(std::string_view name);

/// The dict of weights within the pickled value: its `section` (at any level); else, at each level, the first of
/// `kWeightSections` that holds tensors, else the only other section with weights that are not averaged, else the value
/// itself, else the only section with averaged weights. Throws `Error` where several sections could be meant.
WeightsSection find_weights(const std::string& file, const PickleData& data, const std::string& section);

/// The tensors of `dict`. Where it has some, entries that are none are left out, and named in `skipped`.
StateDict named_tensors(const std::string& file, const PickleData& data, const PickleValue& dict, PickledTensors& maker,
                        std::vector<std::string>* skipped = nullptr);

/// The metadata that `write_torch_zip` put beside the pickle, in the form of a safetensors header.
Metadata torch_zip_metadata(const ZipArchive& archive, const std::string& folder);

/// `read_torch_zip` of bytes in memory.
WeightsFile parse_torch_zip(const std::shared_ptr<FileBytes>& bytes, const std::string& section);

}  // namespace detail

/// Reads the tensors of a `.pt` or `.pth` file: a dict or OrderedDict of tensors or parameters, or a checkpoint that
/// holds one under "state_dict", "model_state_dict", "model" or "network_weights" (tried in this order, also nested),
/// else under the only other key that has weights ("net", "params"; averaged weights such as "ema" only where there are
/// no others), or under `section` where that is given. Numbers, text, paths and dates beside the tensors are skipped:
/// no code of the file is ever run. Pickle protocols 2 to 5. Tensors keep the file's strides and sharing and map the
/// file; writing to them changes memory only. Types: float64, 32, 16, bfloat16, int64 to int8, uint8, bool. Throws
/// `Error` for anything else: objects or code in the pickle, TorchScript, compression, damage of any kind.
[[nodiscard]] inline WeightsFile read_torch_zip(const std::filesystem::path& path, const std::string& section = {}) {
  return detail::parse_torch_zip(FileBytes::map(path), section);
}

/// Writes `tensors` to `path` atomically as `torch.save` would a plain dict; `torch.load(path, weights_only=True)`
/// opens it. Each tensor is stored contiguously in a storage of its own. `metadata` goes into a record of its own
/// beside the pickle ("pam_metadata.json"), which Python ignores. The same content gives the same bytes. Throws `Error`
/// for undefined, sparse, quantised or complex tensors, repeated names, and more than 16,384 tensors.
inline void write_torch_zip(const std::filesystem::path& path, const StateDict& tensors,
                            const Metadata& metadata = {}) {
  const auto file = path.string();
  detail::check_writable(file, tensors);
  check(tensors.size() <= 16'384, "{}: {} tensors; the .pt format of pam takes 16,384: write .safetensors instead",
        file, tensors.size());
  const auto pickle = detail::pickle_state_dict(tensors);
  const auto notes = detail::metadata_json(file, metadata);
  write_atomically(path, [&](std::ostream& out) {
    detail::ZipWriter zip(out);
    zip.add("archive/data.pkl", pickle.data(), pickle.size());
    zip.add("archive/byteorder", "little", 6);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto tensor = detail::writable_copy(tensors[i].second);
      zip.add("archive/data/" + std::to_string(i), tensor.data_ptr(), tensor.nbytes());
    }
    zip.add("archive/version", "3\n", 2);
    zip.add("archive/pam_metadata.json", notes.data(), notes.size());
    zip.finish();
  });
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/weights/torch_zip-inl.hpp>
#endif
