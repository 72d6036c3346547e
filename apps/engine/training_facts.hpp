// SPDX-License-Identifier: MIT
/// What a weights file says of its training beside `pam.input`, and what follows for new images: the sizes of their
/// voxels ("pam.spacing") and the order of their modalities ("pam.modalities").
#pragma once

#include <pam/images/case.hpp>
#include <pam/weights/state_dict.hpp>

#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

struct TrainingFacts {
  /// The smallest and largest voxel of the training volumes in mm, along the axes x, y, z of a prepared volume; empty
  /// where the file does not say.
  std::vector<std::pair<double, double>> spacing;
  std::vector<std::string> modalities;  ///< words that name the files of a case, in channel order; empty: not known
};

/// The facts in the metadata of `file`. Throws `Error` for what is not as docs/weights-format.md says.
TrainingFacts training_facts(const Metadata& metadata, const std::string& file);

/// A warning where a volume's voxels are below 0.8 or above 1.25 of those of the training; else empty.
std::string spacing_warning(const Case& source, const TrainingFacts& facts);

/// Throws `Error` unless `given` (--modalities; empty: not given) are the words of the training in its order, in upper
/// or lower case. `weights` names their file.
void check_modalities(const std::vector<std::string>& given, const TrainingFacts& facts, const std::string& weights);

}  // namespace pam::apps
