# `make install PREFIX=...`: the program and the library; LibTorch stays where it was found (the install rpath names it).
include(GNUInstallDirs)
get_filename_component(lh_gomp_folder "${lh_gomp}" DIRECTORY)
set_target_properties(longhaul longhaul_program PROPERTIES
  INSTALL_RPATH "$ORIGIN;$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${LH_TORCH_ROOT}/lib;${lh_gomp_folder}")
install(TARGETS longhaul LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS longhaul_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/longhaul FILES_MATCHING PATTERN "*.h" PATTERN "pch.h" EXCLUDE)
