// SPDX-License-Identifier: MIT
/// How the paper prepares the cases of its three data sets (section 4.1): foreground, normalisation, and the size that
/// the networks see.
#pragma once

#include <pam/datasets/find_brats.hpp>
#include <pam/datasets/find_cityscapes.hpp>
#include <pam/datasets/find_isles.hpp>
#include <pam/images/case_options.hpp>

namespace pam {

/// BRATS: enhancing tumour (label 4) against all else, each modality of each case to mean 0 and deviation 1 over the
/// brain, the centre of 160 × 160 voxels of every slice.
[[nodiscard]] inline CaseOptions brats_preparation() {
  CaseOptions options;
  options.labels = LabelMap::parse(kBratsEnhancing);
  options.normalise = Normalise::ZScoreNonzero;
  options.crop = {160, 160};
  return options;
}

/// ISLES: the lesion (label 1), each modality of each case to mean 0 and deviation 1 over the brain, the centre of
/// 224 × 224 voxels of every slice. ISLES'22's modalities are resampled to one grid.
[[nodiscard]] inline CaseOptions isles_preparation(IslesEdition edition = IslesEdition::Isles2018) {
  CaseOptions options;
  options.labels = LabelMap::parse(kIslesLesion);
  options.normalise = Normalise::ZScoreNonzero;
  options.crop = {224, 224};
  options.resample = edition == IslesEdition::Isles22;
  return options;
}

/// Cityscapes: vehicles (label ids 26 to 33) against all else, void too; RGB from 0 to 1, resized to 128 × 256.
[[nodiscard]] inline CaseOptions cityscapes_preparation() {
  CaseOptions options;
  options.labels = LabelMap::parse(kCityscapesVehicles);
  options.normalise = Normalise::Unit;
  options.channels = 3;
  options.resize = {128, 256};
  return options;
}

}  // namespace pam
