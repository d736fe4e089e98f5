# `make install PREFIX=...`: the program, the library, its headers and a CMake package (docs/library.md). LibTorch and Arrow
# stay where they were found: the install rpath names them.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
get_filename_component(lh_gomp_folder "${lh_gomp}" DIRECTORY)
set_target_properties(longhaul longhaul_program PROPERTIES
  INSTALL_RPATH "$ORIGIN;$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${LH_TORCH_ROOT}/lib;${lh_gomp_folder};${lh_arrow_root}")
set(lh_package "${CMAKE_INSTALL_LIBDIR}/cmake/longhaul")
install(TARGETS longhaul EXPORT longhaulTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/longhaul)
install(TARGETS longhaul_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/longhaul 
  FILES_MATCHING PATTERN "*.h" PATTERN "*-inl.h" EXCLUDE PATTERN "pch.h" EXCLUDE PATTERN "cli" EXCLUDE)
install(EXPORT longhaulTargets NAMESPACE longhaul:: DESTINATION ${lh_package})
configure_package_config_file(cmake/longhaulConfig.cmake.in "${CMAKE_BINARY_DIR}/generated/longhaulConfig.cmake"
  INSTALL_DESTINATION ${lh_package})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/generated/longhaulConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/generated/longhaulConfig.cmake"
  "${CMAKE_BINARY_DIR}/generated/longhaulConfigVersion.cmake" cmake/LibTorch.cmake DESTINATION ${lh_package})
