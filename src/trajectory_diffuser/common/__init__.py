"""Parameters, arguments, error texts, what engines ask: of these files stages depend on completion alone."""
