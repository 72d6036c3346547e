// SPDX-License-Identifier: MIT
/// Histograms of the foreground's probability in each case, of pixels that are foreground in truth and of those that
/// are background: what a mask at any threshold would score in counts, without keeping maps of probabilities. Bins are
/// equal in the logit, ln(p / (1 - p)), because networks that learnt by a Dice loss have most of their probabilities
/// next to 0 and 1, where equal bins in p would hold them all. An edge is at p = 0.5 exactly.
#pragma once

#include <pam/core/torch.hpp>
#include <pam/metrics/case_scores.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

/// Bins, and their width in the logit: from -16 to 16, beyond which float32 has few probabilities. What lies further
/// out is in the first or last bin.
constexpr std::int64_t kProbabilityBins = 2000;
constexpr double kLogitBinWidth = 0.016;
/// The threshold p = 0.5 as an edge.
constexpr std::int64_t kHalfEdge = kProbabilityBins / 2;

/// The pixels of one case in each bin, by truth.
struct CaseHistogram {
  std::string name;
  std::vector<std::int64_t> foreground, background;  ///< `kProbabilityBins` each
};

/// Those of one training.
struct ProbabilityHistograms {
  std::vector<CaseHistogram> validation, test;
};

/// The probability at an edge, 1 to `kProbabilityBins` - 1; bins `edge` and up lie above it.
[[nodiscard]] double edge_probability(std::int64_t edge);

/// The bin of each probability, int64: p is above the edge k if and only if its bin is k or more.
[[nodiscard]] torch::Tensor probability_bins(const torch::Tensor& probabilities);

/// Counts `bins` where `truth` (same shape) is foreground (1 and more), and background (0); other pixels (ignored ones)
/// are left out. Both int64.
[[nodiscard]] CaseHistogram case_histogram(const std::string& name, const torch::Tensor& bins,
                                           const torch::Tensor& truth);

/// The counts of the mask p > edge.
[[nodiscard]] Confusion counts_above(const CaseHistogram& histogram, std::int64_t edge);

/// The false-positive rate in per cent of the mask p > edge as the mean over the cases that have background, for the
/// edges 1 to `kProbabilityBins` - 1 (element 0 is of all pixels as foreground). Never rises. Empty without such cases.
[[nodiscard]] std::vector<double> fp_percent_by_edge(const std::vector<CaseHistogram>& cases);
/// The same for the false-negative rate, over the cases that have foreground. Never falls.
[[nodiscard]] std::vector<double> fn_percent_by_edge(const std::vector<CaseHistogram>& cases);

/// Writes them as safetensors, atomically: int32 tensors (cases, bins) "test.foreground" …, and the cases' names.
void write_histograms(const std::filesystem::path& path, const ProbabilityHistograms& histograms);
/// What `write_histograms` wrote. Throws `Error`, naming the file, for anything else.
[[nodiscard]] ProbabilityHistograms read_histograms(const std::filesystem::path& path);

}  // namespace pam::apps
