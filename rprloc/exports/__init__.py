"""Answers as files of the field: for 3D Slicer, ITK-SNAP, planning systems, spreadsheets and the next tool."""
