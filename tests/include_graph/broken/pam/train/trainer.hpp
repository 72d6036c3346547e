#pragma once
#include <pam/core/error.hpp>
#include <pam/nets/unet.hpp>
#include <pam/weights/detail/crc32.hpp>
