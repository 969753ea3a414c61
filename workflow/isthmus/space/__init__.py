"""Where in weight space to look.

`geometries` turn a position into a `points.Point`, coefficients over anchors by `groups` of tensors;
`anchors.combine` writes their weights into a live model; `sampling` says which alpha is wanted next.
"""
