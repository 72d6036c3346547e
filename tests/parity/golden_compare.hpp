// SPDX-License-Identifier: MIT
/// Golden files against pam's modules: outputs, input gradients and parameter gradients, within the bounds of
/// ../shared/golden/README.md.
#pragma once

#include <pam/core/seed.hpp>
#include <pam/weights/weights.hpp>

#include "parity/golden_module.hpp"
#include "parity/key_map.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pam::test {

/// Errors are relative to the largest entry of the tensor, or of all parameter gradients of the file together: a bias
/// before an instance norm has a gradient that is zero but for rounding.
inline constexpr double kGoldenBound = 1e-5;

/// A ReLU whose input is zero but for rounding has slope 0 or 1, and the file's rounding may have chosen the other one
/// than ours: then single gradients differ by percents while the outputs agree (Python's PyTorch 1.13 differs from the
/// files of 2.15 in the same way). Each such ReLU adds one fixed vector to the gradients or does not. Inputs next to
/// the file's, each entry moved by at most four units in the last place, show these vectors: where gradients differ,
/// the file's must be ours plus a combination of the differences that at most this many such neighbours make. A wrong
/// gradient has thousands of entries and does not lie in the span of so few vectors that have nothing to do with it.
inline constexpr int kGoldenNeighbours = 64;
inline constexpr std::int64_t kGoldenUnits = 4;

struct GoldenRow {
  std::string file;
  double output = 0, input_gradients = 0;
  double inference = 0;                       ///< of the output without gradients, channels-last: what users deploy
  std::optional<double> parameter_gradients;  ///< none in the file: nothing to compare
  int neighbours = 0;                         ///< how many neighbours of the input it took to explain the gradients
  std::string problem;                        ///< why the file could not be compared

  [[nodiscard]] bool passed() const {
    // Written so that NaN fails.
    return problem.empty() && output <= kGoldenBound && inference <= kGoldenBound && input_gradients <= kGoldenBound &&
           parameter_gradients.value_or(0) <= kGoldenBound;
  }
  [[nodiscard]] std::string text() const {
    if (!problem.empty()) return fmt::format("FAIL  {:<44}  {}", file, problem);
    return fmt::format(
        "{}  {:<44}  output {:8.2e}  in inference {:8.2e}  input gradients {:8.2e}  parameter gradients {}{}",
        passed() ? "ok  " : "FAIL", file, output, inference, input_gradients,
        parameter_gradients ? fmt::format("{:8.2e}", *parameter_gradients) : "-       ",
        neighbours > 0 ? fmt::format("  (ReLUs at zero, {} neighbours)", neighbours) : "");
  }
};

/// The largest |actual - expected|, relative to the largest |expected|.
inline double relative_difference(const torch::Tensor& actual, const torch::Tensor& expected) {
  check(actual.sizes() == expected.sizes(), "the output has shape {}, the file's has {}", shape_string(actual),
        shape_string(expected));
  const auto difference = (actual.to(torch::kDouble) - expected.to(torch::kDouble)).abs().max().item<double>();
  const auto scale = expected.abs().max().item<double>();
  return scale > 0 ? difference / scale : difference;
}

/// The entries of `file` under `prefix`, without it. The authors' AttentionUNet concatenates [skip, up], pam [up,
/// skip]: its decoders' first kernels are put into pam's order.
inline StateDict golden_entries(const GoldenFile& file, const std::string& prefix) {
  static const std::regex decoder(R"(dconv_up\d\.0\.weight)");
  StateDict entries;
  for (const auto& [key, tensor] : file.content.tensors) {
    if (key.compare(0, prefix.size(), prefix) != 0) continue;
    const auto name = key.substr(prefix.size());
    const bool swap = file.text("module") == "aunet" && std::regex_match(name, decoder) && tensor.dim() == 4;
    const auto skip = swap ? tensor.size(0) : 0;  // a decoder's output has the skip's channels
    entries.emplace_back(name, swap ? torch::cat({tensor.slice(1, skip), tensor.slice(1, 0, skip)}, 1) : tensor);
  }
  return entries;
}

/// Gradients of one run, each divided by the scale that its errors are relative to, in one vector.
struct GoldenGradients {
  torch::Tensor inputs, parameters;  ///< `parameters` is empty where the file has none

  [[nodiscard]] torch::Tensor all() const { return torch::cat({inputs, parameters}); }
};

/// The file's gradients with the scales: the largest entry of each input's, and of all parameters' together.
struct GoldenTarget {
  std::vector<double> input_scales;
  double parameter_scale = 1;
  GoldenGradients gradients;
};

inline double nonzero(double scale) { return scale > 0 ? scale : 1; }

inline torch::Tensor joined(const std::vector<torch::Tensor>& parts) {
  return parts.empty() ? torch::empty({0}) : torch::cat(parts);
}

inline GoldenTarget golden_target(const GoldenFile& file) {
  GoldenTarget target;
  std::vector<torch::Tensor> inputs, parameters;
  for (std::size_t i = 0; i < file.inputs().size(); ++i) {
    const auto gradient = file.tensor(fmt::format("grad.input.{}", i));
    target.input_scales.push_back(nonzero(gradient.abs().max().item<double>()));
    inputs.push_back(gradient.flatten() / target.input_scales.back());
  }
  for (const auto& [name, gradient] : golden_entries(file, "grad.param.")) parameters.push_back(gradient.flatten());
  const auto all = joined(parameters);
  if (all.numel() > 0) target.parameter_scale = nonzero(all.abs().max().item<double>());
  target.gradients = {joined(inputs), all / target.parameter_scale};
  return target;
}

/// The module's parameters in the order of the file's gradients; none where the file has none.
inline std::vector<torch::Tensor> golden_parameters(const GoldenFile& file, const torch::nn::Module& module) {
  const auto gradients = golden_entries(file, "grad.param.");
  const auto names = parameter_names(module);
  const auto parameters = module.named_parameters();
  check(gradients.empty() || gradients.size() == names.size(),
        "the file has {} parameter gradients, the module {} parameters", gradients.size(), names.size());
  std::vector<torch::Tensor> list;
  for (const auto& [name, expected] : gradients) {
    const auto ours = pam_name(name, names);
    check(names.count(ours) == 1, "the gradient of '{}' has no partner in the module", name);
    check(parameters[ours].sizes() == expected.sizes(), "the gradient of '{}' has shape {} in the file", ours,
          shape_string(expected));
    list.push_back(parameters[ours]);
  }
  return list;
}

/// Runs the module forwards and backwards on `inputs`. `output` gets what it returned.
inline GoldenGradients golden_gradients(const GoldenFile& file, const GoldenModule& golden, const GoldenTarget& target,
                                        std::vector<torch::Tensor> inputs, torch::Tensor* output = nullptr) {
  for (auto& x : inputs) x = x.detach().clone().requires_grad_();  // the file's own tensors stay as they are
  golden.module->zero_grad();
  const auto y = golden.run(inputs);
  if (output != nullptr) *output = y.detach();
  (y * file.tensor("target")).sum().backward();
  std::vector<torch::Tensor> of_inputs, of_parameters;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check(inputs[i].sizes() == file.tensor(fmt::format("grad.input.{}", i)).sizes(),
          "input.{} and its gradient differ in shape", i);
    of_inputs.push_back(inputs[i].grad().flatten() / target.input_scales[i]);
  }
  for (const auto& p : golden_parameters(file, *golden.module)) {
    of_parameters.push_back(p.grad().clone().flatten() / target.parameter_scale);
  }
  return {joined(of_inputs), joined(of_parameters)};
}

/// The module's output without gradients, of channels-last inputs.
inline torch::Tensor golden_inference(const GoldenFile& file, const GoldenModule& golden) {
  const torch::NoGradGuard no_grad;
  auto inputs = file.inputs();
  for (auto& x : inputs) x = x.contiguous(at::MemoryFormat::ChannelsLast);
  return golden.run(inputs);
}

/// The file's inputs, each entry moved by up to `kGoldenUnits` units in the last place.
inline std::vector<torch::Tensor> neighbour(const GoldenFile& file) {
  auto inputs = file.inputs();
  for (auto& x : inputs) x = x * (1 + torch::randint(-kGoldenUnits, kGoldenUnits + 1, x.sizes()) * 1.1920929e-7);
  return inputs;
}

/// What is left of `rest` (n) after the best combination of the rows of `differences` (m, n), in float64.
inline torch::Tensor unexplained(const torch::Tensor& rest, const std::vector<torch::Tensor>& differences) {
  const auto d = torch::stack(differences).to(torch::kDouble), r = rest.to(torch::kDouble);
  const auto [values, vectors] = torch::linalg_eigh(d.matmul(d.t()), "L");
  // Directions 1e-5 times weaker than the strongest are rounding.
  const auto inverse = torch::where(values > 1e-10 * values.max(), 1 / values, torch::zeros_like(values));
  const auto c = vectors.matmul(inverse * vectors.t().matmul(d.matmul(r)));
  return r - d.t().matmul(c);
}

inline void set_errors(GoldenRow& row, const torch::Tensor& errors, std::int64_t inputs) {
  const auto largest = [](const torch::Tensor& x) { return x.abs().max().item<double>(); };
  row.input_gradients = largest(errors.slice(0, 0, inputs));
  row.parameter_gradients = std::nullopt;
  if (errors.numel() > inputs) row.parameter_gradients = largest(errors.slice(0, inputs));
}

/// Explains what `row`'s gradients differ in from the file's by ReLUs at zero, or leaves `row` as it is.
inline void explain_by_neighbours(GoldenRow& row, const GoldenFile& file, const GoldenModule& golden,
                                  const GoldenTarget& target, const GoldenGradients& ours) {
  SeedScope scope(1);
  const auto rest = target.gradients.all() - ours.all();
  std::vector<torch::Tensor> differences;
  for (int count = 4; count <= kGoldenNeighbours; count *= 2) {
    while (static_cast<int>(differences.size()) < count) {
      differences.push_back(golden_gradients(file, golden, target, neighbour(file)).all() - ours.all());
    }
    auto explained = row;
    explained.neighbours = count;
    set_errors(explained, unexplained(rest, differences), ours.inputs.numel());
    if (!explained.passed()) continue;
    row = explained;
    return;
  }
}

/// Builds what `file` describes, loads its parameters (strictly, through the key map) and compares.
inline GoldenRow compare_golden(const GoldenFile& file) {
  GoldenRow row;
  row.file = file.name;
  try {
    const auto golden = build_golden(file);
    const auto names = parameter_names(*golden.module);
    LoadOptions options;
    options.reversed = reversed_of(*golden.module);  // the files do not say; what is compared are logits
    options.key_map = [&](const std::string& name) { return pam_name(name, names); };
    load_state_dict(*golden.module, {golden_entries(file, "param."), {}}, file.name, options);
    const auto target = golden_target(file);
    torch::Tensor output;
    const auto ours = golden_gradients(file, golden, target, file.inputs(), &output);
    row.output = relative_difference(output, file.tensor("output"));
    row.inference = relative_difference(golden_inference(file, golden), file.tensor("output"));
    set_errors(row, ours.all() - target.gradients.all(), ours.inputs.numel());
    // For whole nets only: a block's gradients are few enough to fit such a span by chance, and all of them agree
    // without it.
    const bool net = file.text("kind") == "net";
    if (net && !row.passed() && row.output <= kGoldenBound) explain_by_neighbours(row, file, golden, target, ours);
  } catch (const c10::Error& error) {
    row.problem = error.what_without_backtrace();
  } catch (const std::exception& error) {
    row.problem = error.what();
  }
  return row;
}

inline GoldenRow compare_golden(const std::filesystem::path& path) {
  const auto name = path.parent_path().filename().string() + "/" + path.filename().string();
  try {
    return compare_golden(GoldenFile{name, read_safetensors(path)});
  } catch (const Error& error) {
    GoldenRow row;
    row.file = name;
    row.problem = error.what();
    return row;
  }
}

/// The .safetensors of `folder`, sorted.
inline std::vector<std::filesystem::path> golden_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace pam::test
