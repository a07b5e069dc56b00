# SPDX-License-Identifier: Apache-2.0
"""`mono_depth eval`: accuracy of models on data sets with ground truth, by the published protocols."""
