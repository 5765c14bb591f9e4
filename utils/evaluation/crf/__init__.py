"""The dense CRF: mean field, its bilateral messages, and Gaussian sums over pixels."""
