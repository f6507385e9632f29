"""Finding without Nextflow: the pipeline's own functions, in one process, on the scans that one names."""
