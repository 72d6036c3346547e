// SPDX-License-Identifier: MIT
#include "engine/probability_histograms.hpp"

#include <pam/core/error.hpp>
#include <pam/weights/safetensors.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <numeric>
#include <utility>

namespace pam::apps {
namespace {

std::vector<std::int64_t> counted_bins(const torch::Tensor& bins, const torch::Tensor& where) {
  const auto counts = torch::bincount(bins.masked_select(where), {}, kProbabilityBins).to(torch::kLong).contiguous();
  const auto* first = counts.data_ptr<std::int64_t>();
  return {first, first + counts.numel()};
}

/// The mean over cases of the share of their pixels in bins from `edge` on (`above`) or below it, in per cent.
std::vector<double> share_by_edge(const std::vector<CaseHistogram>& cases,
                                  std::vector<std::int64_t> CaseHistogram::*pixels, bool above) {
  std::vector<double> shares(static_cast<std::size_t>(kProbabilityBins), 0);
  double count = 0;
  for (const auto& each : cases) {
    const auto& bins = each.*pixels;
    const auto all = std::accumulate(bins.begin(), bins.end(), std::int64_t{0});
    if (all == 0) continue;
    ++count;
    std::int64_t below = 0;
    for (std::size_t edge = 0; edge < shares.size(); below += bins[edge++]) {
      shares[edge] += 100.0 * static_cast<double>(above ? all - below : below) / static_cast<double>(all);
    }
  }
  if (count == 0) return {};
  for (auto& share : shares) share /= count;
  return shares;
}

torch::Tensor as_rows(const std::vector<CaseHistogram>& cases, std::vector<std::int64_t> CaseHistogram::*pixels) {
  auto rows = torch::zeros({static_cast<std::int64_t>(cases.size()), kProbabilityBins}, torch::kInt);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    rows[static_cast<std::int64_t>(i)].copy_(torch::tensor(cases[i].*pixels, torch::kLong));
  }
  return rows;
}

}  // namespace

double edge_probability(std::int64_t edge) {
  return 1 / (1 + std::exp(-kLogitBinWidth * static_cast<double>(edge - kHalfEdge)));
}

torch::Tensor probability_bins(const torch::Tensor& probabilities) {
  const auto p = probabilities.to(torch::kDouble);
  const auto steps = torch::ceil(torch::log(p / (1 - p)) / kLogitBinWidth) + static_cast<double>(kHalfEdge - 1);
  return steps.clamp(0, static_cast<double>(kProbabilityBins - 1)).to(torch::kLong);
}

CaseHistogram case_histogram(const std::string& name, const torch::Tensor& bins, const torch::Tensor& truth) {
  check(bins.sizes() == truth.sizes(), "case {}: bins are {}, the truth {}", name, shape_string(bins),
        shape_string(truth));
  return {name, counted_bins(bins, truth.ge(1)), counted_bins(bins, truth.eq(0))};
}

Confusion counts_above(const CaseHistogram& histogram, std::int64_t edge) {
  check(edge >= 1 && edge < kProbabilityBins, "an edge of the histograms must be 1 to {}, got {}", kProbabilityBins - 1,
        edge);
  const auto split = [edge](const std::vector<std::int64_t>& bins) {
    const auto at = bins.begin() + static_cast<std::ptrdiff_t>(edge);
    return std::pair(std::accumulate(bins.begin(), at, std::int64_t{0}),
                     std::accumulate(at, bins.end(), std::int64_t{0}));
  };
  const auto [fn, tp] = split(histogram.foreground);
  const auto [tn, fp] = split(histogram.background);
  return {tp, fp, fn, tn};
}

std::vector<double> fp_percent_by_edge(const std::vector<CaseHistogram>& cases) {
  return share_by_edge(cases, &CaseHistogram::background, /*above=*/true);
}

std::vector<double> fn_percent_by_edge(const std::vector<CaseHistogram>& cases) {
  return share_by_edge(cases, &CaseHistogram::foreground, /*above=*/false);
}

void write_histograms(const std::filesystem::path& path, const ProbabilityHistograms& histograms) {
  StateDict tensors;
  nlohmann::json names;
  for (const auto& [part, cases] :
       {std::pair{std::string("validation"), &histograms.validation}, {std::string("test"), &histograms.test}}) {
    tensors.emplace_back(part + ".foreground", as_rows(*cases, &CaseHistogram::foreground));
    tensors.emplace_back(part + ".background", as_rows(*cases, &CaseHistogram::background));
    names[part] = nlohmann::json::array();
    for (const auto& each : *cases) names[part].push_back(each.name);
  }
  write_safetensors(path, tensors,
                    {{"pam.cases", names.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)}});
}

ProbabilityHistograms read_histograms(const std::filesystem::path& path) {
  const auto file = read_safetensors(path);
  const auto noted = file.metadata.find("pam.cases");
  const auto names = noted == file.metadata.end()
                         ? nlohmann::json()
                         : nlohmann::json::parse(noted->second, nullptr, /*allow_exceptions=*/false);
  const auto rows_of = [&](const std::string& name, std::size_t cases) {
    for (const auto& [key, tensor] : file.tensors) {
      if (key != name) continue;
      check(tensor.dim() == 2 && tensor.size(0) == static_cast<std::int64_t>(cases) &&
                tensor.size(1) == kProbabilityBins && tensor.scalar_type() == torch::kInt,
            "{}: {} is {}, not one row of {} counts for each of {} cases; delete the file to count again",
            path.string(), name, shape_string(tensor), kProbabilityBins, cases);
      return tensor.to(torch::kLong).contiguous();
    }
    fail("{}: holds no {}; delete the file to count again", path.string(), name);
  };
  const auto read = [&](const std::string& part) {
    check(names.is_object() && names.contains(part) && names[part].is_array(),
          "{}: does not name the {} cases; delete the file to count again", path.string(), part);
    const auto foreground = rows_of(part + ".foreground", names[part].size()),
               background = rows_of(part + ".background", names[part].size());
    std::vector<CaseHistogram> cases;
    for (const auto& name : names[part]) {
      const auto* f = foreground.data_ptr<std::int64_t>() + static_cast<std::int64_t>(cases.size()) * kProbabilityBins;
      const auto* b = background.data_ptr<std::int64_t>() + static_cast<std::int64_t>(cases.size()) * kProbabilityBins;
      check(name.is_string(), "{}: a name of its cases is {}; delete the file to count again", path.string(),
            name.dump());
      cases.push_back({name.get<std::string>(), {f, f + kProbabilityBins}, {b, b + kProbabilityBins}});
    }
    return cases;
  };
  return {read("validation"), read("test")};
}

}  // namespace pam::apps
