"""What a person looks at: a scan's own voxels around its structures, as pictures and as a file for the viewer."""
