// SPDX-License-Identifier: MIT
/// `explain receptive-field`: the effective receptive field of each block and network (nets/receptive_field.hpp), as
/// a table and heat maps, and the paper's two claims compared with the measurements.
#pragma once

#include "engine/networks.hpp"

#include <pam/report/table.hpp>

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

namespace pam::apps {

struct FieldOptions {
  std::int64_t in_channels = 4;  ///< of networks with random weights
  std::int64_t width = 0;        ///< of networks with random weights; 0: their own
  std::int64_t size = 160;       ///< side of the input in pixels
  std::int64_t samples = 16;     ///< random inputs to average over
  std::int64_t seed = 0;         ///< of weights and inputs
};

/// One row of the table.
struct MeasuredField {
  std::string name, weights;                        ///< "random", or the file
  double radius50 = 0, radius90 = 0, radius95 = 0;  ///< of the disc with that share of the energy, in input pixels
  torch::Tensor energy;                             ///< (size, size), sums to 1
};

/// The fields of one block that the claims compare.
struct BlockFields {
  std::string branch_name;            ///< "dilated branch" or "pooled branch"
  MeasuredField main, branch, whole;  ///< the main branch, the attention branch alone, the block
};

/// FPA (dilations 6, 9, 12) and RFNA (ratios 2, 4, 8) at stride 1 and 32 channels with random weights.
std::vector<BlockFields> measure_blocks(const FieldOptions& options);

/// Every FPA and RFNA block of a trained network, apart from the rest of it, over random inputs of its own.
std::vector<BlockFields> measure_blocks_of(const Network& net, const std::string& file, const FieldOptions& options);

/// A network of the zoo with random weights.
MeasuredField measure_network(const std::string& name, const FieldOptions& options);
/// A network with the weights of `file`.
MeasuredField measure_network(const Network& net, const std::string& file, const FieldOptions& options);

/// "radius of the disc that holds 50, 90 and 95 % of the energy".
Table field_table(const std::vector<MeasuredField>& fields, const FieldOptions& options);

/// The paper's two claims, and the measurements: one sentence per block.
std::vector<std::string> claim_sentences(const std::vector<BlockFields>& blocks);

/// The energy on a logarithmic scale over five decades, dark to bright: (size · scale, size · scale, 3) uint8.
torch::Tensor heat_picture(const torch::Tensor& energy, std::int64_t scale = 3);

}  // namespace pam::apps
