// SPDX-License-Identifier: MIT
#include <pam/core/version.hpp>
#include <pam/images/image.hpp>
#include <pam/images/nifti.hpp>

#include <iostream>

void use_files() {
  const auto scan = torch::arange(24, torch::kFloat).view({2, 3, 4});
  pam::write_nifti("consumer.nii.gz", scan);
  const auto picture = torch::arange(24, torch::kUInt8).view({3, 2, 4});
  pam::write_image("consumer.png", picture);
  if (!torch::equal(pam::read_nifti("consumer.nii.gz").voxels.to(torch::kFloat), scan) ||
      !torch::equal(pam::read_image("consumer.png").to(torch::kUInt8), picture)) {
    throw pam::Error("a file was not read as it was written");
  }
  std::cout << "pam " << PAM_VERSION << ": io works" << std::endl;
}
