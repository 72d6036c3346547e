# Install rules: headers, one export set per target (a missing component must not make the others unusable),
# and the search code that the consumer's machine runs. Nothing installed holds an absolute path.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(PAM_CMAKE_DIR ${CMAKE_INSTALL_DATADIR}/cmake/pam)

install(DIRECTORY include/pam DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
foreach(target IN ITEMS pam ${PAM_COMPONENTS})
  set(file pamTargets)
  if(NOT target STREQUAL "pam")
    set(file pam-${target}-targets)
    set(target pam_${target})
  endif()
  install(TARGETS ${target} EXPORT ${file} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT ${file} NAMESPACE pam:: DESTINATION ${PAM_CMAKE_DIR})
endforeach()

file(RELATIVE_PATH PAM_INCLUDE_FROM_CMAKE_DIR /${PAM_CMAKE_DIR} /${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(cmake/pamConfig.cmake.in pamConfig.cmake INSTALL_DESTINATION ${PAM_CMAKE_DIR}
                              NO_SET_AND_CHECK_MACRO)
# While 0.x a minor version may break; ARCH_INDEPENDENT because there are only headers.
write_basic_package_version_file(pamConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pamConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/pamConfigVersion.cmake
        cmake/pamDependencies.cmake cmake/pamCompiled.cmake cmake/pamFindTorch.cmake cmake/Findniftiio.cmake
        DESTINATION ${PAM_CMAKE_DIR})
install(FILES python/pam_torch.py python/export_weights.py python/pyproject.toml python/README.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/pam/python)  # pip install <prefix>/share/pam/python
install(DIRECTORY weights/ DESTINATION ${CMAKE_INSTALL_DATADIR}/pam/weights)  # pam::pretrained looks there
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/pam)
